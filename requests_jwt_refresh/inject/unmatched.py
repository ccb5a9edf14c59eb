"""What a 401 looked like that the profile's rule does not match, as far as it may be shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.matching import MISSING, AllOf, AnyOf, JSONField, find_all, parse_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from requests import Response

    from requests_jwt_refresh.matching import Matcher

_MEDIA_TYPE: Final = re.compile(r"[a-z]{1,20}/[a-z0-9.+-]{1,40}")
# Words of a sentence or a code, and short numbers: few tokens look like them, and secrets that are
# known are left out in any case.
_WORD: Final = re.compile(r"[A-Za-z]{1,20}(?:[_.'/-][A-Za-z]{1,20})*[.,:;!?]?|[0-9]{1,3}[.,:;]?")
_MOST_CHARACTERS: Final = 60  # of a field's value
_FEWEST_OF_SECRET: Final = 4  # characters that may stand in a secret by chance


def describe_unmatched(matcher: Matcher, response: Response, secrets: Collection[str] = ()) -> str:
    """Return media type and fields of a response that `matcher` has said no to.

    Of the body it looks at what `matcher` has read, and reads nothing itself. No word of a field is
    shown that is part of one of the `secrets`: a letters-only token looks like a word.
    """
    media_type = response.headers.get("Content-Type") or ""
    media_type = media_type.partition(";")[0].strip().lower()
    parts = [media_type if _MEDIA_TYPE.fullmatch(media_type) else "without a usual content type"]
    fields = dict.fromkeys(each.path for each in _find_fields(matcher))
    if fields:
        document: object = MISSING
        body = response.__dict__.get("_content")  # False: the rule has not read it, or not whole
        if isinstance(body, bytes):
            document = parse_json(body)
        if document is not MISSING:
            parts += [_describe_field(document, path, secrets) for path in fields]
        elif body is not False:
            parts.append("no JSON that can be read")
    return ", ".join(parts)


def _find_fields(matcher: Matcher) -> Iterator[JSONField]:
    if isinstance(matcher, JSONField):
        yield matcher
    for each in matcher.matchers if isinstance(matcher, (AnyOf, AllOf)) else ():
        yield from _find_fields(each)


def _describe_field(document: object, path: str, secrets: Collection[str]) -> str:
    found = [each for each in find_all(document, path) if each is not MISSING]
    return f"{path} = {_show(found[0], secrets)}" if found else f"no field {path!r}"


def _is_shown(word: str, secrets: Collection[str]) -> bool:
    bare = word.rstrip(".,:;!?")
    is_secret = len(bare) >= _FEWEST_OF_SECRET and any(
        bare in each or each in bare for each in secrets
    )
    return _WORD.fullmatch(word) is not None and not is_secret


def _show(value: object, secrets: Collection[str]) -> str:
    if isinstance(value, str):
        text = " ".join(
            each if _is_shown(each, secrets) else "..."
            for each in value[: 2 * _MOST_CHARACTERS].split()
        )
        return repr(text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}...")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) < 10_000:  # noqa: PLR2004 - a code, and no secret
        return str(value)
    return "(not shown)"
