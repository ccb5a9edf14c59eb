"""The error code in a server's response, and what it says about trying again.

RFC 6749 §5.2 has one place for it; most servers have another. A code may be shown, as no secret has
its form. What a server says in words is looked at, but never shown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.matching import MISSING, find

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Where the fields below may be: in the document itself, or in one of these parts of it.
_PARTS: Final = (
    "error",
    "detail",
    "errors.0",
    "errors.0.extensions",
    "error.errors.0",
    "error.details.0",
    "data",
    "0",
)
_CODE_FIELDS: Final = (
    "error",
    "code",
    "errorCode",
    "error_code",
    "errcode",
    "errorType",
    "error_type",
    "__type",
    "type",
    "reason",
    "status",
)
_TEXT_FIELDS: Final = (
    "message",
    "msg",
    "error",
    "error_description",
    "errorMessage",
    "error_message",
    "detail",
    "title",
    "description",
    "reason",
)
_TYPE_HEADER: Final = "x-amzn-ErrorType"

# What may be shown: words of letters, or a few letters before a number, which no secret is.
_CODE = re.compile(
    r"""
      [a-z]{1,20}(?:[_.-][a-z]{1,20})*
    | [A-Z]{1,20}(?:_[A-Z]{1,20})*
    | [A-Za-z][a-z]{1,19}(?:[A-Z][a-z]{1,19})*
    | [A-Z]{1,6}[0-9]{3,8}
    """,
    re.VERBOSE,
)
_MOST_CHARACTERS: Final = 60  # of a code
_LONGEST_TEXT: Final = 4096  # bytes or characters; a longer one is a page, not a sentence
_UPPER_CASE_CODE = re.compile(r"[A-Z]{2,}(?:_[A-Z]+)+(?=\s|:|\Z)")
_SAYS_NOTHING: Final = frozenset({"error", "errors", "fail", "failed", "failure"})

# Both compared with a code in lower case that has lost all but its letters.
_TRY_LATER = re.compile(
    r"""
      throttl | ratelimit | rateexceeded | slowdown | overload
    | toomany(?:failed)?(?:requests?|attempts|calls|tries)
    | (?:requests?|bandwidth|throughput|quota|usage|api|call|daily|hourly|concurrency)
      limits?(?:exceeded|reached)
    | throughputexceeded | quotaexceeded | resourceexhausted | ^m?(?:attempt)?limitexceeded
    | priorrequestnotcomplete | transactioninprogress | ^(?:server|system|service)?busy$
    | temporarily | ^temporary(?:error|failure) | (?:again|try|retry)later
    | ^(?:try|retry)(?:again)?$
    | serviceunavailable | ^unavailable$ | ^(?:gateway|request|server)?timeout(?:exception)?$
    | ^(?:internal)?(?:server)?(?:error|failure)(?:exception)?$
    """,
    re.VERBOSE,
)
_REFUSED = re.compile(
    r"""
      (?:invalid|bad|expired|revoked|unknown|blacklisted|reused)
      (?:grant|code|credentials|(?:refresh|access)?(?:token|jwt|session))
    | (?:grant|user|account|(?:refresh|access)?(?:token|jwt|session))(?:is|has|was|already)*
      (?:expired|revoked|notfound|notvalid|invalid|used|disabled|blacklisted)
    | ^notauthorized(?:exception)?$
    """,
    re.VERBOSE,
)
_TRY_LATER_TEXT = re.compile(
    r"too many requests|\brate[ -]?limit|\brequest limit|\bthrottl|\b(?:rate|quota) exceeded",
    re.IGNORECASE,
)


def find_error_code(document: object, headers: Mapping[str, str]) -> str | None:
    """Return the error code of a response, None if it has none that can be shown.

    >>> find_error_code({"errors": [{"code": "TOKEN_EXPIRED"}]}, {})
    'TOKEN_EXPIRED'
    """
    codes = [code for code in _codes(document, headers) if _CODE.fullmatch(code)]
    return next(filter(_is_telling, codes), codes[0] if codes else None)


def find_code_path(document: object, code: str) -> str | None:
    """Return the path of the field that is `code`, for json_field; None if there is none.

    >>> find_code_path({"errors": [{"code": "TOKEN_EXPIRED"}]}, "TOKEN_EXPIRED")
    'errors.*.code'
    """
    for part in ("", *_PARTS):
        fields = find(document, part) if part else document
        for name in (*_CODE_FIELDS, "message"):
            if isinstance(fields, dict) and fields.get(name) == code:
                path = f"{part}.{name}" if part else name
                return ".".join("*" if each == "0" else each for each in path.split("."))
    return None


def is_try_later(document: object, headers: Mapping[str, str], body: bytes = b"") -> bool:
    """Whether an error says that the server is asked too often, or that it has a passing fault.

    `body` is looked at where `document` is no JSON.
    """
    if any(_TRY_LATER.search(_simplify(code)) for code in _codes(document, headers)):
        return True
    if document is MISSING:
        texts = [body.decode("utf-8", "replace")] if len(body) <= _LONGEST_TEXT else []
    else:
        texts = list(_strings(document, _TEXT_FIELDS))
    return any(len(text) <= _LONGEST_TEXT and _TRY_LATER_TEXT.search(text) for text in texts)


def is_refusal(document: object, headers: Mapping[str, str]) -> bool:
    """Whether an error code says that what was handed in is not good any more.

    >>> is_refusal({"error": "invalid_grant"}, {}), is_refusal({"error": "slow_down"}, {})
    (True, False)
    """
    return any(_REFUSED.search(_simplify(code)) for code in _codes(document, headers))


def is_error(document: object) -> bool:
    """Whether a document says of itself that it is an error, whatever the status.

    >>> is_error({"ok": False}), is_error({"error": None, "access_token": "a"})
    (True, False)
    """
    if not isinstance(document, dict):
        return False
    if any(document.get(name) for name in ("error", "errors", "error_code", "errcode")):
        return True
    if any(document.get(name) is False for name in ("ok", "success")):
        return True
    status = document.get("status")
    return isinstance(status, str) and status.lower() in _SAYS_NOTHING


def _is_telling(code: str) -> bool:
    return bool(_REFUSED.search(_simplify(code)) or _TRY_LATER.search(_simplify(code)))


def _codes(document: object, headers: Mapping[str, str]) -> Iterator[str]:
    """Yield what may be a code, the likeliest place first; not all of it may be shown."""
    for text in (headers.get(_TYPE_HEADER) or "", *_strings(document, _CODE_FIELDS)):
        # Some write a namespace and a hash before the code, or a colon and a URL after it.
        code = text.rpartition("#")[2].partition(":")[0].strip()
        is_one_word = len(code) <= _MOST_CHARACTERS and len(code.split()) == 1
        if is_one_word and code.lower() not in _SAYS_NOTHING:
            yield code
    for text in _strings(document, ("message",)):
        found = _UPPER_CASE_CODE.match(text)  # "TOO_MANY_ATTEMPTS_TRY_LATER : and a sentence"
        if found and len(found[0]) <= _MOST_CHARACTERS:
            yield found[0]


def _strings(document: object, names: tuple[str, ...]) -> Iterator[str]:
    for part in (document, *(find(document, path) for path in _PARTS)):
        fields: dict[str, Any] = part if isinstance(part, dict) else {}
        yield from (value for name in names if isinstance(value := fields.get(name), str))


def _simplify(code: str) -> str:
    return re.sub("[^a-z]", "", code.lower())
