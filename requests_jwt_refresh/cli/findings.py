"""What a check of `requests-jwt doctor` finds."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.console import fill_in, remedy_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh.profiles.load import Profile

OK: Final = "ok"
NOTE: Final = "note"
FAULT: Final = "FAULT"


class Finding(NamedTuple):
    """What one check has found: OK, NOTE or FAULT, of what, and what to do about it."""

    sign: str
    subject: str
    cause: str
    remedy: str = ""


class Target(NamedTuple):
    """One URL that is asked: what it is called in the table, and the profile's key for it."""

    subject: str
    url: str
    key: str


def find_repeated_path(profile: Profile, only: str | None = None) -> tuple[str, str] | None:
    """Return that an endpoint's path begins as the base URL ends, and what to do; None: none does.

    `only` is the one endpoint to look at, such as "login". A server may have such paths, but as a
    rule the base URL has too much.
    """
    from requests_jwt_refresh.urls import find_repetition, without_query

    for name, url in profile.named_urls().items():
        found = find_repetition(profile.base_url, url) if only in (None, name) else None
        if found is not None:
            path, base_url = found
            cause = f"{path} stands twice in the {name} URL {without_query(url)}: it is below the "
            cause += "base URL"
            remedy = f'if the base URL is {base_url}: write base_url = "{base_url}" into [NAME] in '
            return cause, fill_in(f"{remedy}{profile.file}", profile.name)
    return None


@contextmanager
def name_repeated_path(profile: Profile, endpoint: str) -> Iterator[None]:
    """Add what `find_repeated_path` finds to the error of an `endpoint` that may be elsewhere."""
    try:
        yield
    except (library.RefreshRejected, library.RefreshUnavailable) as error:
        found = find_repeated_path(profile, endpoint)
        if found is None or not getattr(error, "is_set_up_fault", True):
            raise
        cause, remedy = found
        error.remedy = f"{remedy}; if it is not: {remedy_for(error, profile.reference)}"
        error.cause = f"{error.cause}; {cause}"
        raise
