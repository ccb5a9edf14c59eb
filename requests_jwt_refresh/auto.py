"""One line for programs that you can add one to: ``import requests_jwt_refresh.auto``.

From then on every Session of this process sends each profile's token to that profile's origins. The
profiles are those that the environment variable REQUESTS_JWT_PROFILE names, with commas between
them; all of the file if it is unset. For programs that must stay unmodified there is
`requests-jwt run`.
"""

import filelock  # noqa: F401 - now, since it warns if a fork comes while it is imported

from requests_jwt_refresh.inject.proxy import install

install()
