"""Reading the tables of a TOML file strictly: every error says which key, and what was expected."""

from __future__ import annotations

import difflib
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from requests_jwt_refresh.errors import ProfileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

T = TypeVar("T")

_REQUIRED: Final[Any] = object()
_KINDS: Final = {dict: "a table", str: "a string", bool: "true or false", float: "a float"}
_LONGEST: Final = threading.TIMEOUT_MAX / 4  # seconds
# Keys that only a secret would have, written in snake case. Those that name a field end in _field,
# those that name a file in _file.
_SECRET_NAME = re.compile(
    r"(?:.*_)?(?:password|passwd|passphrase|pwd|secret|api_?key|private_key|encryption_key"
    r"|credentials?|authorization|token|jwt)"
)
_JWT = re.compile(
    r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*"
)  # "{" and a quote, in Base64 (RFC 7515)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|-")


@dataclass(eq=False, repr=False)
class Table:
    """One table of the file, read key by key. What nobody has asked for is an error, too."""

    content: Mapping[str, Any]
    file: Path | str
    profile: str
    path: str = ""
    """The dotted path of this table within the profile, with a dot at its end; "" at the top."""
    asked: set[str] = field(default_factory=set)

    def text(self, key: str, default: T = _REQUIRED) -> str | T:
        """Return the string at `key`, which must not be empty."""
        found: str | T = self._get(key, default, "a string", lambda one: isinstance(one, str))
        if found == "":
            raise self.error(key, "is empty: give it, or leave the key out")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the list of strings at `key`, () if there is none."""
        return tuple(self._get(key, (), "a list of strings", _are(str)))

    def numbers(self, key: str, default: T) -> tuple[int, ...] | T:
        """Return the list of ints at `key`; one int is a list of one."""
        found = self._get(key, default, "a whole number, or a list of them", _is_int_or_ints)
        if found is default:
            return default
        return tuple(found) if isinstance(found, list) else (found,)

    def seconds(self, key: str, default: float) -> float:
        """Return the number of seconds above 0 at `key`."""
        found = self._get(key, default, "a number of seconds", _is_number)
        if not 0 < found <= _LONGEST:  # nan is neither
            raise self.error(key, f"must be a number of seconds above 0, up to {int(_LONGEST)}")
        return float(found)

    def flag(self, key: str) -> bool:
        """Return the boolean at `key`, False if there is none."""
        return bool(self._get(key, False, "true or false", lambda one: isinstance(one, bool)))

    def scalar(self, key: str) -> str | float:
        """Return the string, number or boolean at `key`."""
        kinds = (str, int, float)
        found: str | float = self._get(
            key, _REQUIRED, "a string, a number, true or false", lambda one: isinstance(one, kinds)
        )
        return found

    def choice(self, key: str, choices: Iterable[str], default: T = _REQUIRED) -> str | T:
        """Return the string at `key`, one of `choices`."""
        known = sorted(choices)
        if default is _REQUIRED and key not in self.content:
            raise self.missing(key, _one_of(known))
        found = self.text(key, default)
        if found is default or found in known:
            return found
        raise self.error(key, f"must be {_one_of(known)}{_did_you_mean(str(found), known)}")

    def table(self, key: str) -> Table | None:
        """Return the table at `key`, None if there is none."""
        found = self._get(key, None, "a table", lambda one: isinstance(one, dict))
        return None if found is None else self._below(key, found)

    def tables(self, key: str) -> list[Table]:
        """Return the list of tables at `key`."""
        found = self._get(key, _REQUIRED, "a list of tables", _are(dict))
        return [self._below(f"{key}.{number}", one) for number, one in enumerate(found)]

    def anything(self, key: str) -> dict[str, Any]:
        """Return the table at `key` as it is, {} if there is none."""
        return dict(self._get(key, {}, "a table", lambda one: isinstance(one, dict)))

    def check_no_secrets(self) -> None:
        """Raise ProfileError if there is a secret in here, or what looks like one."""
        path = next(_secrets(self.content), None)
        if path is not None:
            raise self.error(
                path,
                "looks like a secret, and no secret goes into this file. `requests-jwt login "
                f"{self.profile}` asks for what it needs and keeps it in the keyring; to have it "
                "read from a file of its own, see *_file in the README",
            )

    def check_all_known(self) -> None:
        """Raise ProfileError if there are keys that nobody has asked for."""
        for key in sorted(self.content.keys() - self.asked):
            hint = _did_you_mean(key, self.asked)
            raise self.error(
                key, f"is not known{hint}. Known here: {', '.join(sorted(self.asked))}"
            )

    def error(self, key: str, problem: str) -> ProfileError:
        """Return an error about one key; `problem` goes on after its name."""
        where = f"{self.file}: profile {self.profile!r}"
        return ProfileError(
            f"{where}: {self.path}{printable(key)} {problem}" if key else f"{where}: {problem}"
        )

    def missing(self, key: str, expected: str) -> ProfileError:
        """Return the error that `key` is missing, with a guess how it was misspelt."""
        close = _closest(key, self.content.keys() - self.asked)
        hint = f" (is {close!r} a misspelling of it?)" if close else ""
        return self.error(key, f"is missing: it must be {expected}{hint}")

    def _below(self, key: str, content: Mapping[str, Any]) -> Table:
        return Table(content, self.file, self.profile, f"{self.path}{key}.")

    def _get(self, key: str, default: Any, expected: str, fits: Callable[[Any], bool]) -> Any:
        self.asked.add(key)
        if key not in self.content:
            if default is _REQUIRED:
                raise self.missing(key, expected)
            return default
        found = self.content[key]
        if not fits(found):
            raise self.error(key, f"must be {expected}, not {_kind(found)}")
        return found


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a question that suggests the nearest spelling, "" if nothing is near."""
    close = _closest(name, known)
    return f"did you mean {close!r}?" if close else ""


def printable(text: str) -> str:
    """Return a text that cannot steer a terminal, with escapes as in a repr."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def _closest(name: str, known: Iterable[str]) -> str | None:
    spelt = {each.lower(): each for each in sorted(known)}
    close = difflib.get_close_matches(name.lower(), spelt, 1)
    return spelt[close[0]] if close else None


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    question = nearest(name, known)
    return f": {question[:-1]}" if question else ""


def _one_of(choices: Iterable[str]) -> str:
    return f"one of {', '.join(repr(each) for each in choices)}"


def _kind(value: object) -> str:
    if isinstance(value, list):
        kinds = set(map(_kinds, value))
        if not kinds:
            return "an empty list"
        return f"a list of {kinds.pop() if len(kinds) == 1 else 'several things'}"
    if isinstance(value, int) and not isinstance(value, bool):
        return "a number"
    return _KINDS.get(type(value), "a date")


def _kinds(value: object) -> str:
    """Return the plural."""
    if isinstance(value, (bool, list)):
        return "booleans" if isinstance(value, bool) else "lists"
    return f"{_kind(value).partition(' ')[2]}s"


def _are(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(isinstance(one, kind) for one in value)


def _is_int_or_ints(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(_is_int, value))
    return _is_int(value)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_int(value) or isinstance(value, float)


def _secrets(value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of what is called like a secret, or looks like one."""
    if isinstance(value, dict):
        for key, below in value.items():
            here = f"{path}.{key}" if path else key
            if _SECRET_NAME.fullmatch(_HUMP.sub("_", key).lower().rpartition(".")[2]):
                yield here
            yield from _secrets(below, here)
    elif isinstance(value, list):
        for below in value:
            yield from _secrets(below, path)
    elif isinstance(value, str) and _JWT.search(value):
        yield path
