"""requests' own Session class, also where a program has put another in its place.

requests-cache's ``install_cache()`` and the like replace ``requests.Session``, before this library
is imported or after. What is ours is made of the plain class, so that no refresh is cached or
recorded by what was meant for the program's requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests
from requests.sessions import SessionRedirectMixin


def _find_plain_session() -> Any:
    # Of the two names of the class neither is safe; its base class is replaced by nobody.
    for each in SessionRedirectMixin.__subclasses__():
        if (each.__module__, each.__qualname__) == ("requests.sessions", "Session"):
            return each
    return requests.Session


if TYPE_CHECKING:
    PlainSession = requests.Session
else:
    PlainSession = _find_plain_session()
