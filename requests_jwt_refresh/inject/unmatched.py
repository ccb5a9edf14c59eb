"""What a 401 looked like that the profile's rule does not match, as far as it may be shown."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.matching import MISSING, AllOf, AnyOf, JSONField, find_all, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import Response

    from requests_jwt_refresh.matching import Matcher

_MEDIA_TYPE: Final = re.compile(r"[a-z]{1,20}/[a-z0-9.+-]{1,40}")
# Words of a sentence or a code, and short numbers: no token and no key looks like them.
_WORD: Final = re.compile(r"[A-Za-z]{1,20}(?:[_.'/-][A-Za-z]{1,20})*[.,:;!?]?|[0-9]{1,4}[.,:;]?")
_MOST_CHARACTERS: Final = 60  # of a field's value


def describe_unmatched(matcher: Matcher, response: Response) -> str:
    """Return media type and fields of a response that `matcher` has said no to."""
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    parts = [media_type if _MEDIA_TYPE.fullmatch(media_type) else "without a usual content type"]
    fields = dict.fromkeys(each.path for each in _find_fields(matcher))
    if fields:
        document: object = MISSING
        with contextlib.suppress(Exception):  # too long or too slow to be looked at
            document = parse_json(response.content or b"")
        if document is MISSING:
            parts.append("no JSON that can be read")
        else:
            parts += [_describe_field(document, path) for path in fields]
    return ", ".join(parts)


def _find_fields(matcher: Matcher) -> Iterator[JSONField]:
    if isinstance(matcher, JSONField):
        yield matcher
    for each in matcher.matchers if isinstance(matcher, (AnyOf, AllOf)) else ():
        yield from _find_fields(each)


def _describe_field(document: object, path: str) -> str:
    found = [each for each in find_all(document, path) if each is not MISSING]
    return f"{path} = {_show(found[0])}" if found else f"no field {path!r}"


def _show(value: object) -> str:
    if isinstance(value, str):
        text = " ".join(
            each if _WORD.fullmatch(each) else "..."
            for each in value[: 2 * _MOST_CHARACTERS].split()
        )
        return repr(text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}...")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) < 10_000:  # noqa: PLR2004 - a code, and no secret
        return str(value)
    return "(not shown)"
