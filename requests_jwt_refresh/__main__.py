"""``python -m requests_jwt_refresh`` is ``requests-jwt``."""

import sys

from requests_jwt_refresh.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
