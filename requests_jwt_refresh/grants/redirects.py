"""Redirect URIs, and the parameters that an authorization server adds to them (RFC 6749 §4.1.2)."""

from __future__ import annotations

import hmac
import re
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from requests_jwt_refresh.errors import InvalidURL
from requests_jwt_refresh.urls import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_REDIRECT: Final = "http://127.0.0.1"  # and a free port (RFC 8252 §7.3)
MAX_BYTES: Final = 16 * 1024  # of a request, and of a pasted URL
_MOST_PARAMETERS: Final = 100
_KNOWN: Final = ("code", "error", "error_description", "iss", "state")
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_CHARACTERS: Final = re.compile(r"[\x21-\x7e]{1,2000}")
_DOTS: Final = re.compile(r"(?i)/(\.|%2e){1,2}(?=/|\?|$)")  # a browser resolves them
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")  # RFC 3986 §3.1
_NOT_IN_PATH: Final = re.compile(r"[\"<>\\^`{|}]")  # a browser encodes them


class Parameters:
    """The parameters of an authorization response. They hold a code, so none is shown."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        pairs = [(name, value) for name, value in pairs if name in _KNOWN]
        self._values = dict(pairs)
        counts = Counter(name for name, _ in pairs)
        self.repeated = tuple(name for name, count in counts.items() if count > 1)
        """What is there several times, which it may not be (RFC 6749 §3.1)."""

    @classmethod
    def parse(cls, text: str) -> Parameters | None:
        """Return those of a query or a form; None if it is none."""
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
        except ValueError:
            return None
        return cls(pairs)

    def find(self, name: str) -> str | None:
        """Return the value; None if there is none, or an empty one."""
        return self._values.get(name) or None

    def answers(self, state: str) -> bool:
        """Whether they answer the request that has this `state`, and no other (§10.12)."""
        given = self._values.get("state", "")
        is_same = hmac.compare_digest(given.encode("utf-8", "replace"), state.encode())
        return is_same and "state" not in self.repeated


class RedirectURI(NamedTuple):
    """Where the server sends the browser afterwards, as it is registered there."""

    text: str
    host: str
    port: int | None
    """None if it names none."""
    path: str
    is_loopback: bool
    """Whether a program on this machine can listen there (RFC 8252 §7.3)."""

    @classmethod
    def parse(cls, text: str) -> RedirectURI:
        """Return it. Raises InvalidURL for one that no server can send a browser to."""
        problem: str | None = "has a space or another character that no URL has"
        if _CHARACTERS.fullmatch(text):
            try:
                parts = urlsplit(text)
                host, port = (parts.hostname or "").lower(), parts.port
            except ValueError:
                problem = "is not a URL"
            else:
                is_loopback = parts.scheme == "http" and host in _LOOPBACK
                problem = _find_problem(text, is_loopback=is_loopback)
                if problem is None:
                    return cls(text, host, port, parts.path or "/", is_loopback)
        raise InvalidURL(
            f"the redirect_uri {redact(text)} {problem}",
            "write it exactly as it is registered at the server, like http://127.0.0.1",
        )

    def with_port(self, port: int) -> str:
        """Return it with that port, if it names none itself."""
        if self.port is not None:
            return self.text
        start = len("http://") + len(urlsplit(self.text).netloc.removesuffix(":"))
        return f"{self.text[:start]}:{port}{self.text[start:].removeprefix(':')}"

    def matches(self, url: str) -> bool:
        """Whether `url` is this one with something after it, as a person may paste it."""
        try:
            mine, other = urlsplit(self.text), urlsplit(url)
            is_same_port = mine.port == other.port
        except ValueError:
            return False
        return (mine.scheme, mine.hostname, mine.path or "/") == (
            other.scheme,
            other.hostname,
            other.path or "/",
        ) and is_same_port


def _find_problem(text: str, *, is_loopback: bool) -> str | None:
    parts = urlsplit(text)
    is_changed = _DOTS.search(parts.path) or _NOT_IN_PATH.search(parts.path)
    problems = {
        "has no scheme": not _SCHEME.match(text),  # Python 3.10 takes "127.0.0.1" for one
        "has a fragment": "#" in text,  # RFC 6749 §3.1.2
        "holds a user name or password": "@" in parts.netloc,
        "has no host": parts.scheme in ("http", "https") and not parts.hostname,
        "has port 0": parts.port == 0,
        "has a path that browsers change": is_loopback and is_changed,
    }
    return next((problem for problem, is_so in problems.items() if is_so), None)
