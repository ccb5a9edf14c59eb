"""One line for programs that you can add one to: ``import requests_jwt_refresh.auto``.

From then on every Session of this process sends the tokens of the profiles to their origins: those
that REQUESTS_JWT_PROFILE names (with commas), else all of the file. For programs that must stay
unmodified there is `requests-jwt run`.
"""

import filelock  # noqa: F401 - now, and not during a fork, which it would complain of

from requests_jwt_refresh.inject.proxy import install

install()
