"""What "your token has expired" looks like: Response -> bool.

A matcher is anything that takes a ``requests.Response`` and says yes or no. The ones made here are
frozen values: they compare, pickle, and print as the call that makes them. Each also knows the
statuses it can say yes to (``statuses``), so that no other response's body is read for it. How
much of a body a matcher may see, and for how long it is waited for, says bodies.py.

>>> any_of(status(419), all_of(any_401, json_field("error.code", "TOKEN_EXPIRED")))
any_of(status(419), all_of(status(401), json_field('error.code', 'TOKEN_EXPIRED')))
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, cast

import requests

from requests_jwt_refresh.authorization import is_bearer
from requests_jwt_refresh.tokens import load_json

logger = logging.getLogger("requests_jwt_refresh")

Matcher = Callable[[requests.Response], bool]
"""What "your token has expired" looks like: any function of a response that says yes or no.

```python
def is_expired(response: requests.Response) -> bool:
    return response.status_code == 401 and response.headers.get("X-Reason") == "expired"


mount(session, "https://api.example.com", JSONEndpoint("/auth/refresh"), when=is_expired)
```

For ``when=`` and ``rejected=``. A function of your own is asked about every status from 400 up; it
may look at the status, the headers and, up to `match_limit` bytes, at the body. What it raises is
logged and counts as no. It sends nothing and changes nothing. The ready ones are `any_401`,
`status`, `bearer_challenge` and `json_field`, joined by `any_of` and `all_of`.
"""

MISSING: Final = object()
"""Says that a document has no such field, or that a body is no JSON document."""

_LOWEST_STATUS, _HIGHEST_STATUS = 100, 599
# What a matcher without `statuses` is asked about. Three digits are all that a status line can hold
# (RFC 9112 §4); some servers go beyond 599.
_ERRORS: Final = frozenset(range(400, 1000))
_LOWEST_ERROR: Final = 400
_ERROR_CODE: Final = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6750 §3
_THROTTLED: Final = 429  # which refuses nothing
# Nor do these, unless they are named: the server is busy, or not there.
_BUSY: Final = frozenset({408, _THROTTLED, 502, 503, 504})
_MAY_REFUSE: Final = frozenset(range(100, 1000)) - _BUSY


def status(*codes: int) -> Status:
    """Match a response by its status alone: ``status(401, 422)``.

    ```python
    mount(session, "https://api.example.com", JSONEndpoint("/refresh"), when=status(401, 419))
    ```

    Raises TypeError or ValueError for what is no HTTP status code.
    """
    return Status(status_codes(codes))


def bearer_challenge(
    error: str | None = "invalid_token", *, status: int | Iterable[int] | None = None
) -> BearerChallenge:
    """Match a response whose WWW-Authenticate header has a Bearer challenge with this `error`.

    ```python
    mount(session, "https://api.example.com", JSONEndpoint("/refresh"), when=bearer_challenge())
    ```

    ``error=None`` is any Bearer challenge. `status` takes one code or several; without it, 401 is
    meant in ``when=``, any status in ``rejected=``. The header is read as RFC 9110 §11.6.1 has it,
    the error codes are those of RFC 6750 §3.1.

    Raises TypeError or ValueError for what is no HTTP status code, ValueError for an empty `error`.
    """
    return BearerChallenge(error, *_read_statuses(status))


def json_field(
    path: str, value: str | float | None, *, status: int | Iterable[int] | None = None
) -> JSONField:
    """Match a response whose JSON body holds exactly `value` at `path`.

    ```python
    expired = json_field("message", "Invalid JWT")
    mount(session, "https://api.example.com", JSONEndpoint("/refresh"), when=expired)
    ```

    `path` is a field's name, or several with dots between them; a number picks from a list, and
    ``*`` stands for any item of a list: ``json_field("errors.*.code", "TOKEN_EXPIRED")``. `value`
    is a string, a number, a bool or None; ``True`` is not ``1``. `status` takes one code or
    several; without it, 401 is meant in ``when=``, any status in ``rejected=``.

    An answer to HEAD has no body to look at: it matches by its status alone, if that is an error.

    Raises TypeError or ValueError for a path, value or status that can never match.
    """
    return JSONField(path, value, *_read_statuses(status))


def any_of(*matchers: Matcher) -> AnyOf:
    """Match what at least one of `matchers` matches.

    ```python
    expired = any_of(status(419), any_401)
    mount(session, "https://api.example.com", JSONEndpoint("/refresh"), when=expired)
    ```

    One that raises counts as no; the others are asked all the same.

    Raises ValueError if there are none, TypeError for what is no matcher.
    """
    return AnyOf(matchers)


def all_of(*matchers: Matcher) -> AllOf:
    """Match what every one of `matchers` matches, asked in this order.

    ```python
    all_of(status(403), json_field("code", "TOKEN_EXPIRED", status=403))
    ```

    A function of your own is asked about every status from 400 up. For a server that says
    "expired" with a 200, put the status before it: ``all_of(status(200), mine)``. It sees the body
    of such a good response only if the media type is JSON. Reading what cannot be seen raises an
    error, and what a function raises counts as no.

    Raises ValueError if there are none or they can share no status, TypeError for what is no
    matcher.
    """
    return AllOf(matchers)


def may_match(matcher: Matcher, status_code: int) -> bool:
    """Whether `matcher` has to be asked about a response with this status at all.

    False if ``matcher.statuses`` is a set of ints without the code. A matcher without that
    attribute is asked about every status from 400 up.

    >>> may_match(any_401, 401), may_match(any_401, 403), may_match(lambda response: True, 403)
    (True, False, True)
    """
    return status_code in _possible_statuses(matcher)


def fixed_statuses(matcher: Matcher) -> frozenset[int] | None:
    """Return the statuses that `may_match`, if they never change: those of a matcher made here.

    >>> fixed_statuses(status(401, 422)) == {401, 422}, fixed_statuses(lambda response: True)
    (True, None)
    """
    is_ours = type(matcher) in (Status, BearerChallenge, JSONField, AnyOf, AllOf)
    return _possible_statuses(matcher) if is_ours else None


@dataclass(frozen=True, repr=False)
class Status:
    """See `status`."""

    statuses: frozenset[int]

    def __call__(self, response: requests.Response) -> bool:
        return response.status_code in self.statuses

    def __repr__(self) -> str:
        return f"status({', '.join(map(str, sorted(self.statuses)))})"


@dataclass(frozen=True, repr=False)
class BearerChallenge:
    """See `bearer_challenge`."""

    error: str | None
    statuses: frozenset[int]
    has_status: bool = True
    """Whether the statuses were named; those of ``when=`` are meant otherwise."""

    def __post_init__(self) -> None:
        if self.error is not None and not (
            isinstance(self.error, str) and _ERROR_CODE.fullmatch(self.error)
        ):
            raise ValueError("error is a code such as 'invalid_token', or None for any challenge")

    def __call__(self, response: requests.Response) -> bool:
        if response.status_code not in self.statuses:
            return False
        challenges = parse_challenges(response.headers.get("WWW-Authenticate") or "")
        return any(
            is_bearer(scheme) and self.error in (None, parameters.get("error"))
            for scheme, parameters in challenges
        )

    def __repr__(self) -> str:
        error = "" if self.error == "invalid_token" else repr(self.error)
        return _format_call("bearer_challenge", error, _format_status(self))


@dataclass(frozen=True, repr=False)
class JSONField:
    """See `json_field`."""

    path: str
    value: str | float | None
    statuses: frozenset[int]
    has_status: bool = True
    """Whether the statuses were named; those of ``when=`` are meant otherwise."""

    def __post_init__(self) -> None:
        check_path(self.path)
        if not (self.value is None or isinstance(self.value, (str, int, float))):
            raise TypeError(
                "json_field compares with a string, a number, a bool or None, "
                f"not with {type(self.value).__name__}"
            )

    def __call__(self, response: requests.Response) -> bool:
        if response.status_code not in self.statuses:
            return False
        if getattr(response.request, "method", None) == "HEAD":
            return response.status_code >= _LOWEST_ERROR
        document = parse_json(response.content or b"")
        return any(map(self.is_value, find_all(document, self.path)))

    def is_value(self, found: object) -> bool:
        """Whether `found` is the value that the field has to have."""
        # JSON's true and 1 are two things; Python's are equal.
        return isinstance(found, bool) is isinstance(self.value, bool) and found == self.value

    def __repr__(self) -> str:
        return _format_call("json_field", repr(self.path), repr(self.value), _format_status(self))


@dataclass(frozen=True, repr=False)
class AnyOf:
    """See `any_of`."""

    matchers: tuple[Matcher, ...]

    def __post_init__(self) -> None:
        _check_members("any_of", self.matchers)

    @cached_property
    def statuses(self) -> frozenset[int]:
        """The statuses that at least one member can say yes to."""
        return frozenset[int]().union(*map(_possible_statuses, self.matchers))

    @cached_property
    def _members(self) -> tuple[SafeMatcher, ...]:
        return tuple(map(SafeMatcher, self.matchers))

    def __call__(self, response: requests.Response) -> bool:
        return any(may_match(one, response.status_code) and one(response) for one in self._members)

    def __repr__(self) -> str:
        return _format_call("any_of", *map(repr, self.matchers))


@dataclass(frozen=True, repr=False)
class AllOf:
    """See `all_of`."""

    matchers: tuple[Matcher, ...]

    def __post_init__(self) -> None:
        _check_members("all_of", self.matchers)
        if not _refusal_statuses(self):  # of a field without a status, more than in when=
            raise ValueError(_explain_never(self))
        if (field := _find_torn_field(self)) is not None:
            raise ValueError(
                f"{self!r} can never match: it wants two values of the field {field!r}; any_of() "
                "takes either"
            )

    @cached_property
    def statuses(self) -> frozenset[int]:
        """The statuses that all members can say yes to, as far as they have `statuses`."""
        known = [codes for codes in map(_own_statuses, self.matchers) if codes is not None]
        return frozenset.intersection(*known) if known else _ERRORS

    @cached_property
    def _members(self) -> tuple[SafeMatcher, ...]:
        return tuple(map(SafeMatcher, self.matchers))

    def __call__(self, response: requests.Response) -> bool:
        return response.status_code in self.statuses and all(one(response) for one in self._members)

    def __repr__(self) -> str:
        return _format_call("all_of", *map(repr, self.matchers))


class SafeMatcher:
    """A matcher that never raises: what the one inside raises is logged and counts as no.

    The first fault is a WARNING. Those that follow are told at DEBUG, and so are those about a body
    that could not be seen whole, which is no fault of the matcher's.
    """

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._has_warned = False

    @property
    def statuses(self) -> frozenset[int]:
        """The statuses that the matcher inside can say yes to."""
        return _possible_statuses(self._matcher)

    def __call__(self, response: requests.Response) -> bool:
        try:
            return _read_answer(self._matcher(response))
        except Exception as failure:  # noqa: BLE001 - a matcher never turns an answer into an error
            self._report(failure, is_own_fault=not getattr(response.raw, "unseen", ""))
        return False

    def _report(self, failure: Exception, *, is_own_fault: bool) -> None:
        warns = is_own_fault and not self._has_warned
        self._has_warned = self._has_warned or warns
        logger.log(
            logging.WARNING if warns else logging.DEBUG,
            "The matcher %r raised %s, which counts as no: let it return True or False "
            "for every response that it is asked about",
            self,
            type(failure).__name__,
        )

    def __repr__(self) -> str:
        try:
            return repr(self._matcher)
        except Exception:  # noqa: BLE001 - likewise
            return f"<{type(self._matcher).__name__}>"


class UnclearAnswer(TypeError):
    """A matcher returned what was hardly meant as a yes or a no."""


@dataclass(frozen=True, repr=False)
class _Refusal:
    """A function of the user's in ``rejected=``: it is asked about every status but the busy."""

    function: Matcher
    statuses: frozenset[int] = _MAY_REFUSE

    def __call__(self, response: requests.Response) -> bool:
        return self.function(response)

    def __repr__(self) -> str:
        return repr(self.function)


def for_rejected(matcher: Matcher) -> Matcher:
    """Return `matcher` as ``rejected=`` means it, about the answers of a token endpoint.

    What names no status, a function too, is then asked about any status: servers say no with a 200
    as well. 408, 502, 503 and 504 are left out: a busy server refuses nothing. 429 is no refusal
    even if it is named.
    """
    if isinstance(matcher, Status):
        return replace(matcher, statuses=matcher.statuses - {_THROTTLED})
    if isinstance(matcher, (AnyOf, AllOf)):
        return replace(matcher, matchers=tuple(map(for_rejected, matcher.matchers)))
    if isinstance(matcher, (BearerChallenge, JSONField)):
        named = matcher.statuses - {_THROTTLED}
        return replace(matcher, statuses=named if matcher.has_status else _MAY_REFUSE)
    return matcher if _own_statuses(matcher) is not None else _Refusal(matcher)


def bare_statuses(matcher: Matcher) -> frozenset[int]:
    """Return the statuses with which `matcher` matches whatever else is in the response.

    >>> sorted(bare_statuses(any_of(status(400), json_field("error", "expired"))))
    [400]
    """
    if isinstance(matcher, Status):
        return matcher.statuses
    if isinstance(matcher, AnyOf):
        return frozenset[int]().union(*map(bare_statuses, matcher.matchers))
    if isinstance(matcher, AllOf):
        return frozenset.intersection(*map(bare_statuses, matcher.matchers))
    return frozenset()


any_401: Final = Status(frozenset({401}))
"""Matches every 401: the rule where neither the endpoint nor `when` says another.

```python
mount(session, "https://api.example.com", presets.SimpleJWT(), when=any_401)
```

That is ``status(401)``: here instead of the preset's own rule.
"""


def status_codes(codes: int | Iterable[int]) -> frozenset[int]:
    """Return one status code or several as a set.

    Raises TypeError for what is no int, ValueError for one outside 100 to 599, or for none.
    """
    is_many = isinstance(codes, Iterable) and not isinstance(codes, (str, bytes))
    given: tuple[object, ...] = tuple(codes) if is_many else (codes,)  # type: ignore[arg-type]
    if not given:
        raise ValueError("give at least one HTTP status code, such as 401")
    return frozenset(map(_validate_status, given))


def _read_statuses(status: int | Iterable[int] | None) -> tuple[frozenset[int], bool]:
    """Return the statuses, and whether they were named."""
    return (any_401.statuses, False) if status is None else (status_codes(status), True)


def parse_json(body: bytes) -> object:
    """Return what `body` says in JSON, or MISSING if it is no JSON.

    JSON is UTF-8 (RFC 8259 §8.1); a byte order mark is skipped. Nothing is raised, so that no
    exception can carry the body away.
    """
    try:
        document: object = load_json(body)
    except (ValueError, RecursionError):
        return MISSING
    return document


def find(document: object, path: str) -> object:
    """Return what `document` holds at a dotted `path`, or MISSING.

    >>> find({"errors": [{"code": 7}]}, "errors.0.code")
    7
    """
    for name in path.split("."):
        document = _look_up(document, name)
    return document


def find_all(document: object, path: str) -> list[object]:
    """Return all that `document` holds at a dotted `path`, where ``*`` is any item of a list.

    What is missing is MISSING.

    >>> find_all({"errors": [{"code": 7}, {"code": 8}]}, "errors.*.code")
    [7, 8]
    >>> find_all([{"errors": []}, {"errors": [{"code": 7}]}], "*.errors.*.code")
    [7]
    """
    found = [document]
    for name in path.split("."):
        found = [item for each in found for item in _look_up_all(each, name)]
    return found


_INDEX: Final = re.compile(r"\[([0-9]*|\*)\](?=[.\[]|$)")  # as JSONPath has it (RFC 9535)


def check_path(path: str) -> None:
    """Raise ValueError unless `path` is a field's name, or several with dots between them."""
    if not isinstance(path, str) or not all(path.split(".")):
        raise ValueError(f"{path!r} is no field name and no dotted path such as 'error.code'")
    dotted = _INDEX.sub(lambda found: f".{found[1] or '*'}", path.removeprefix("$.")).lstrip(".")
    if dotted != path:
        raise ValueError(f"{path!r} is no dotted path: write {dotted!r}")


_CALLS: Final[tuple[tuple[object, str], ...]] = (
    (status, "status(401)"),
    (bearer_challenge, "bearer_challenge()"),
    (json_field, 'json_field("message", "Invalid JWT")'),
    (any_of, "any_of(status(419), bearer_challenge())"),
    (all_of, 'all_of(status(401), json_field("message", "Invalid JWT"))'),
)


def check_matcher(when: object, what: str = "when must be a matcher") -> None:
    """Raise a TypeError that says how unless `when` can be asked about a response.

    `what` is how its text begins. Raises ValueError for one that can never say yes.
    """
    _check_kind(when, what)
    for one in _walk(cast("Matcher", when)):
        if _own_statuses(one) == frozenset():
            raise ValueError(_explain_never(one))


def check_rejected(rejected: object) -> None:
    """Raise the TypeError or ValueError of `check_matcher`, of what is given to ``rejected=``."""
    _check_kind(rejected, "rejected takes statuses or a matcher")
    for one in _walk(cast("Matcher", rejected)):
        statuses = _refusal_statuses(one)
        if statuses == {_THROTTLED}:
            raise ValueError(
                f"{one!r} can never match in rejected=: 429 says that too much was asked, not that "
                "a token is refused; leave it out"
            )
        if not statuses:
            raise ValueError(_explain_never(one))


def _walk(matcher: Matcher) -> Iterator[Matcher]:
    """Yield `matcher` and all that it is made of."""
    yield matcher
    for one in matcher.matchers if isinstance(matcher, (AnyOf, AllOf)) else ():
        yield from _walk(one)


def _find_torn_field(matcher: AllOf) -> str | None:
    """Return the path of a field that would have to hold two values at once, None without one."""
    wanted: dict[str, JSONField] = {}
    fields = (one for one in _list_parts(matcher) if isinstance(one, JSONField))
    for one in fields:
        is_any = "*" in one.path.split(".")  # two items of a list may have two values
        if not is_any and not wanted.setdefault(one.path, one).is_value(one.value):
            return one.path
    return None


def _list_parts(matcher: AllOf) -> Iterator[Matcher]:
    """Yield each matcher that has to say yes."""
    for one in matcher.matchers:
        yield from _list_parts(one) if isinstance(one, AllOf) else (one,)


def _explain_never(matcher: object) -> str:
    return (
        f"{matcher!r} can never match: its members share no status; give json_field and "
        "bearer_challenge a status= of their own, which is 401 otherwise"
    )


def _check_kind(when: object, what: str) -> None:
    call = next((call for make, call in _CALLS if make is when), None)
    if call is not None:
        remedy = f"call it: {call}"
    elif isinstance(when, type):
        remedy = f"not the class {when.__name__}: give an instance of it"
    elif isinstance(when, int) and not isinstance(when, bool):
        remedy = f"not {when!r}: write status({when!r})"
    elif not callable(when):
        remedy = f"not {when!r}"
    elif inspect.iscoroutinefunction(when):
        remedy = "not a coroutine function: write it with def, not with async def"
    elif not _takes_a_response(when):
        remedy = "and takes one argument, the response"
    else:
        return
    raise TypeError(f"{what}, e.g. status(401) or a callable on a Response; {remedy}")


def _takes_a_response(function: Callable[..., object]) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # written in C, say: it cannot be told
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def _read_answer(answer: object) -> bool:
    """Return what a matcher meant. Raises UnclearAnswer where bool() would take it for a yes."""
    if inspect.isawaitable(answer):
        getattr(answer, "close", bool)()  # else Python warns that it was never awaited
        raise UnclearAnswer
    if callable(answer) or isinstance(answer, requests.Response):
        raise UnclearAnswer
    return bool(answer)


def _look_up(document: object, name: str) -> object:
    if isinstance(document, dict):
        return document.get(name, MISSING)
    if isinstance(document, list) and name.isdecimal() and int(name) < len(document):
        item: object = document[int(name)]
        return item
    return MISSING


def _look_up_all(document: object, name: str) -> list[object]:
    return document if name == "*" and isinstance(document, list) else [_look_up(document, name)]


def _validate_status(code: object) -> int:
    if not isinstance(code, int) or isinstance(code, bool):
        raise TypeError(f"an HTTP status code is an int such as 401, not {code!r}")
    if not _LOWEST_STATUS <= code <= _HIGHEST_STATUS:
        raise ValueError(f"{code} is no HTTP status code (100 to 599)")
    return int(code)


def _own_statuses(matcher: Matcher) -> frozenset[int] | None:
    statuses = getattr(matcher, "statuses", None)
    return frozenset(statuses) if isinstance(statuses, AbstractSet) else None


def _possible_statuses(matcher: Matcher) -> frozenset[int]:
    known = _own_statuses(matcher)
    return _ERRORS if known is None else known


def _refusal_statuses(matcher: Matcher) -> frozenset[int]:
    """Return the statuses of which `for_rejected` makes a matcher."""
    if isinstance(matcher, (BearerChallenge, JSONField)) and not matcher.has_status:
        return _MAY_REFUSE
    if isinstance(matcher, AllOf):
        return frozenset.intersection(*map(_refusal_statuses, matcher.matchers))
    if isinstance(matcher, AnyOf):
        return frozenset[int]().union(*map(_refusal_statuses, matcher.matchers))
    known = _own_statuses(matcher)
    return _MAY_REFUSE | _ERRORS if known is None else known


def _check_members(name: str, matchers: tuple[Matcher, ...]) -> None:
    if not matchers:
        raise ValueError(f"{name}() needs at least one matcher")
    for one in matchers:
        _check_kind(one, f"{name}() takes matchers")


def _format_call(name: str, *arguments: str) -> str:
    return f"{name}({', '.join(filter(None, arguments))})"


def _format_status(matcher: BearerChallenge | JSONField) -> str:
    if not matcher.has_status:
        return ""
    codes = tuple(sorted(matcher.statuses))
    return f"status={codes if len(codes) > 1 else codes[0]}"


_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # a token in the sense of RFC 9110 §5.6.2
_CHALLENGE_PART = re.compile(
    rf"""
    [ \t,]*
    (?:
        (?P<name>{_WORD}) [ \t]*=[ \t]*
        (?: "(?P<quoted>(?:[^"\\]|\\.)*)" | (?P<plain>{_WORD}) ) (?=[ \t,]|\Z)
    |
        (?P<scheme>{_WORD}) (?=[ \t,]|\Z)
        (?: [ \t]+ [0-9A-Za-z._~+/-]+=* [ \t]* (?=,|\Z) )?  # a token68, such as Negotiate's
    |
        [^,]+  # garbage: go on after the next comma
    )
    """,
    re.VERBOSE,
)


def parse_challenges(header: str) -> list[tuple[str, dict[str, str]]]:
    """Return each challenge's scheme and its own parameters (RFC 9110 §11.6.1).

    requests joins several header lines with commas, as §5.3 allows, so that only a scheme's name
    tells where the next challenge starts.

    >>> parse_challenges('Basic realm="a", Bearer error="invalid_token"')
    [('Basic', {'realm': 'a'}), ('Bearer', {'error': 'invalid_token'})]
    """
    found: list[tuple[str, dict[str, str]]] = []
    at = 0
    while part := _CHALLENGE_PART.match(header, at):
        at = part.end()
        if part["scheme"]:
            found.append((part["scheme"], {}))
        elif part["name"] and found:
            value = part["plain"] or re.sub(r"\\(.)", r"\1", part["quoted"] or "")
            found[-1][1].setdefault(part["name"].lower(), value)
    return found
