"""Sessions that the machine's own set-up has no say in."""

from __future__ import annotations

import requests


def plain_session() -> requests.Session:
    """Return a session that reads no proxies and no netrc of the machine it runs on."""
    session = requests.Session()
    session.trust_env = False
    return session
