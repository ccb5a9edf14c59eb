"""One line for programs that can add one: ``import requests_jwt_refresh.auto``.

From then on every Session of this process sends the tokens of the profiles to their origins: those
that REQUESTS_JWT_PROFILE names (with commas), else all of the file. See `requests-jwt run` for
programs that cannot add a line.
"""

import filelock  # noqa: F401 - now, and not while somebody forks, which it would complain of

from requests_jwt_refresh.inject.dressing import install

install()
