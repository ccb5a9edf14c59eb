"""What a check of `requests-jwt doctor` finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from requests_jwt_refresh.cli.console import fill_in

if TYPE_CHECKING:
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


def find_repeated_path(profile: Profile) -> tuple[str, str] | None:
    """Return that an endpoint's path begins as the base URL ends, and what to do; None: none does.

    A server may have such paths, but as a rule the base URL has too much.
    """
    from requests_jwt_refresh.urls import find_repetition, without_query

    for name, url in profile.named_urls().items():
        found = find_repetition(profile.base_url, url)
        if found is not None:
            path, base_url = found
            cause = f"{path} stands twice in the {name} URL {without_query(url)}: it is below the "
            cause += "base URL"
            remedy = f'if the base URL is {base_url}: write base_url = "{base_url}" into [NAME] in '
            return cause, fill_in(f"{remedy}{profile.file}", profile.name)
    return None
