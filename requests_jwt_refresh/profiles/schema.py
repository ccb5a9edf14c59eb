"""Reading the tables of a TOML file strictly: every error names the file, the profile and the key.

`Table` reads one key at a time; fields.py reads all those that a dataclass has fields for.
"""

from __future__ import annotations

import difflib
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from requests_jwt_refresh.errors import InvalidURL, ProfileError
from requests_jwt_refresh.profiles.home import NoHome, expand_user
from requests_jwt_refresh.profiles.kinds import FEW_CHOICES
from requests_jwt_refresh.tokens import LONGEST_LIFETIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

T = TypeVar("T")

REQUIRED: Final[Any] = object()
_DEVICES: Final = (("/", "dev"), ("/", "proc"))  # /dev/stdin, <(...): nothing lies beside these
_TYPE_NAMES: Final = {dict: "a table", str: "a string", bool: "true or false", float: "a float"}
_MIN_PART: Final = 4  # characters of a server's name, such as those of "okta"
_NEAR: Final = 0.7  # how much alike of 1 two names are, one of which is given for the other
_MAX_SECONDS: Final = threading.TIMEOUT_MAX / 4
# Keys that only a secret would have, written in snake case. Those that name a field end in _field,
# those that name a file in _file.
_SECRET_NAME = re.compile(
    r"(?:.*_)?(?:password|passwd|passphrase|pwd|secret|api_?key|private_key|encryption_key"
    r"|credentials?|authorization|token|jwt)"
)
_JWT = re.compile(
    r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*"
)  # "{" and a quote, in Base64 (RFC 7515)
SOURCES: Final = ("file", "keyring", "public")
"""The keys of a table that says where a secret comes from; see sources.py."""
OF_PROFILE: Final = frozenset(
    {
        *("base_url", "trusted_origins", "refresh_timeout", "match_limit", "allow_http"),
        *("attach", "renewed", "refresh_ahead"),
    }
)
"""The keys at the top of a profile that are no tables of their own."""
_OF_REFRESH: Final = frozenset(
    {
        *("kind", "preset", "url", "send", "send_access", "access", "method", "encode", "ok"),
        *("expires_in", "expires_in_unit", "expires_at", "rejected", "client_id", "client_auth"),
    }
)
"""Keys that are looked for at the top, and stand in the table of the refresh."""
_IN_FILES: Final = (
    "refresh.assertion",
    "refresh.subject_token",
    "refresh.private_key",
    "store.encryption_key",
)
"""Secrets that are read from a file alone."""
_WITH_SOURCES: Final = ("headers.", "refresh.")  # where a source may stand; see sources.py
_WORD_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|-")


def is_device(file: Path) -> bool:
    """Whether a path is what a shell hands over, and no file on a disk."""
    return file.parts[:2] in _DEVICES


@dataclass(eq=False, repr=False)
class Table:
    """One table of the file, read key by key. A key that no reader has asked for is an error."""

    content: Mapping[str, Any]
    file: Path | str
    profile: str
    path: str = ""
    """The dotted path of this table within the profile, with a dot at its end; "" at the top."""
    known_keys: set[str] = field(default_factory=set)
    """The keys that may be in the table, whether they are or not."""
    prefix: str | None = None
    """What the text of an error begins with; file and profile if None."""

    @property
    def name(self) -> str:
        """The dotted path without the dot at its end."""
        return self.path[:-1]

    def text(self, key: str, default: T = REQUIRED) -> str | T:
        """Return the string at `key`, which must not be empty."""
        found: str | T = self.get(key, default, "a string", lambda one: isinstance(one, str))
        if found == "":
            raise self.error(key, "is empty", "give it, or leave the key out")
        return found

    def texts(self, key: str, default: T = REQUIRED) -> tuple[str, ...] | T:
        """Return the list of strings at `key`."""
        found = self.get(key, default, "a list of strings", _is_list_of(str))
        return default if found is default else tuple(found)

    def numbers(self, key: str, default: T = REQUIRED) -> tuple[int, ...] | T:
        """Return the list of ints at `key`; one int is a list of one."""
        found = self.get(key, default, "a whole number, or a list of them", _is_int_or_ints)
        if found is default:
            return default
        return tuple(found) if isinstance(found, list) else (found,)

    def seconds(self, key: str, default: T = REQUIRED) -> float | T:
        """Return the number of seconds above 0 at `key`."""
        allowed = f"above 0, up to {int(_MAX_SECONDS)}"
        return self._seconds(key, default, lambda found: 0 < found <= _MAX_SECONDS, allowed)

    def seconds_or_zero(self, key: str, default: T = REQUIRED) -> float | T:
        """Return the number of seconds of a token's life at `key`; 0 is allowed."""
        allowed = f"from 0 (off) to {int(LONGEST_LIFETIME)}"
        return self._seconds(key, default, lambda found: 0 <= found <= LONGEST_LIFETIME, allowed)

    def _seconds(
        self, key: str, default: T, fits: Callable[[float], bool], allowed: str
    ) -> float | T:
        found = self.get(key, default, "a number of seconds", _is_number)
        if found is default:
            return default
        if not fits(found):  # as nan never does
            problem = f"must be a number of seconds {allowed}"
            raise self.error(key, problem, "give such a number, or leave the key out")
        return float(found)

    def size(self, key: str, default: T = REQUIRED) -> int | T:
        """Return the whole number above 0 at `key`."""
        found = self.get(key, default, "a whole number", _is_int)
        if found is default:
            return default
        if found <= 0:
            raise self.error(
                key, "must be a whole number above 0", "give such a number, or leave the key out"
            )
        return int(found)

    def flag(self, key: str, default: T = REQUIRED) -> bool | T:
        """Return the boolean at `key`."""
        found: bool | T = self.get(key, default, "true or false", lambda one: isinstance(one, bool))
        return found

    def scalar(self, key: str) -> str | float:
        """Return the string, number or boolean at `key`."""
        kinds = (str, int, float)
        found: str | float = self.get(
            key, REQUIRED, "a string, a number, true or false", lambda one: isinstance(one, kinds)
        )
        return found

    def choice(self, key: str, choices: Iterable[str], default: T = REQUIRED) -> str | T:
        """Return the string at `key`, one of `choices`."""
        known = sorted(choices)
        if default is REQUIRED and key not in self.content:
            raise self.missing(key, _list_choices(known))
        found = self.text(key, default)
        if found is default or found in known:
            return found
        nearest = suggest_choice(str(found), known)
        is_alone = nearest and len(known) > FEW_CHOICES
        problem = "has an unknown value" if is_alone else f"must be {_list_choices(known)}"
        raise self.error(key, problem, nearest or "write one of them")

    def table(self, key: str) -> Table | None:
        """Return the table at `key`, None if there is none."""
        found = self.get(key, None, "a table", lambda one: isinstance(one, dict))
        return None if found is None else self.subtable(key, found)

    def tables(self, key: str) -> list[Table]:
        """Return the list of tables at `key`."""
        found = self.get(key, REQUIRED, "a list of tables", _is_list_of(dict))
        return [self.subtable(f"{key}.{number}", one) for number, one in enumerate(found)]

    def mapping(self, key: str, default: T = REQUIRED) -> dict[str, Any] | T:
        """Return the table at `key` as it is. An empty one counts as none."""
        found = self.get(key, default, "a table", lambda one: isinstance(one, dict))
        return dict(found) if found and found is not default else default

    def file_path(self, key: str) -> str:
        """Return the absolute path at `key`; a relative one starts at the profiles' folder.

        At the current folder if the profiles come from a variable, a pipe or a device.
        """
        path = self.text(key)
        found: Path | None = None
        problem = "has a character that no file name can have"
        if "\0" not in path:
            try:
                found = expand_user(path)
            except NoHome as error:
                problem = f"{path!r} names a home folder, but {error}"
        if found is None:
            raise self.error(key, problem, "name another path")
        return str(make_absolute(self._folder / found))

    @property
    def _folder(self) -> Path:
        """The folder that relative paths start at: the file's, or the current one."""
        is_stream = not isinstance(self.file, Path) or is_device(self.file)
        return Path() if is_stream else Path(self.file).parent

    def subtable(self, key: str, content: Mapping[str, Any]) -> Table:
        """Return the table `content` that stands at `key` of this one."""
        return Table(content, self.file, self.profile, f"{self.path}{key}.", prefix=self.prefix)

    def check_no_secrets(self) -> None:
        """Raise ProfileError if the table holds a secret, or what looks like one."""
        path = next(_find_secrets(self.content), None)
        if path is not None:
            raise self.secret_error(path)

    def secret_error(self, path: str) -> ProfileError:
        """Return the error that what is at `path` looks like a secret."""
        remedy = self._advise_secret(f"{self.path}{path}")
        return self.error(path, "looks like a secret, and this file must not hold secrets", remedy)

    def _advise_secret(self, whole: str) -> str:
        """Return where the secret can be kept that stands at the path `whole`."""
        login = f"`requests-jwt login {self.profile}` asks for"
        in_file = (
            f"put it into a file of its own, and write {whole.rpartition('.')[2]}_file "
            '= "PATH" in its place'
        )
        if whole in _IN_FILES:
            return in_file
        if whole.startswith(_WITH_SOURCES) and not whole.endswith("client_secret"):
            return (
                'write { keyring = true }, { file = "PATH" } or, if it is public, '
                f'{{ public = "VALUE" }} in its place; {login} what is to be in the keyring'
            )
        remedy = f"remove it: {login} what it needs and keeps it in the keyring"
        return f"{remedy}; or {in_file}" if whole == "refresh.client_secret" else remedy

    def check_all_known(self) -> None:
        """Raise ProfileError if there is a key that has not been asked for."""
        for key in sorted(self.content.keys() - self.known_keys):
            hint = suggest(key, self.known_keys) or "leave it out."
            if self.path and key in OF_PROFILE:
                hint = f"write it in [{self.profile}] itself, above the line of the first table."
            if not self.path and key in _OF_REFRESH:
                hint = f"write it in [{self.profile}.refresh]."
            known = ", ".join(sorted(self.known_keys))
            raise self.error(key, "is not known", f"{hint} Known here: {known}")

    def error(self, key: str, problem: str, remedy: str) -> ProfileError:
        """Return an error about one key; `problem` goes on after its name."""
        where = f"{self.file}: profile {self.profile!r}: " if self.prefix is None else self.prefix
        what = f"{self.path}{make_printable(key)} {problem}" if key else problem
        return ProfileError(f"{where}{what}", remedy)

    def missing(self, key: str, expected: str) -> ProfileError:
        """Return the error that `key` is missing; it suggests a key that may be a misspelling."""
        close = _find_closest(key, self.content.keys() - self.known_keys)
        return self.error(
            key,
            f"is missing: it must be {expected}",
            f"is {close!r} a misspelling of it?" if close else "add it",
        )

    def get(self, key: str, default: Any, expected: str, fits: Callable[[Any], bool]) -> Any:
        """Return what is at `key`, in which `fits` must find what is `expected`."""
        self.known_keys.add(key)
        if key not in self.content:
            if default is REQUIRED:
                raise self.missing(key, expected)
            return default
        found = self.content[key]
        if not fits(found):
            problem = f"must be {expected}, not {_describe(found)}"
            raise self.error(key, problem, f"write {expected} there")
        return found


# --- values that other modules check -------------------------------------------------------------


def check_url(table: Table, key: str, url: str, check: Callable[[str], T]) -> T:
    """Return what `check` makes of the URL at `key`. Raises ProfileError for an InvalidURL."""
    try:
        return check(url)
    except InvalidURL as error:
        cause, remedy = (
            text.replace("allow_http=True", "allow_http = true")
            for text in (error.cause, error.remedy)
        )
    del url  # tools that show a traceback with its arguments must not show what is in it
    raise table.error(key, f"cannot be used: {cause}", remedy or "write another one")


def build(table: Table, make: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Return what `make` returns. Its TypeErrors and ValueErrors become a ProfileError."""
    try:
        return make(*arguments, **named)
    except (TypeError, ValueError) as error:
        problem = str(error)
    del arguments, named  # likewise
    raise table.error("", f"{table.name}: {problem}", f"change what {table.name} says")


def make_absolute(path: Path) -> Path:
    """Return an absolute path. Raises ProfileError if the current folder is gone."""
    with suppress(OSError):
        return path.absolute()
    raise ProfileError(
        f"{path}: a relative path cannot be used, since the current folder was deleted",
        "go to a folder that exists, or give the whole path",
    )


# --- texts ---------------------------------------------------------------------------------------


def _find_closest(name: str, known: Iterable[str], least: float = 0.6) -> str | None:
    """Return the nearest spelling among `known`, None if nothing is near: `least` of 1 alike."""
    spelt = {each.lower(): each for each in sorted(known)}
    close = difflib.get_close_matches(name.lower(), spelt, 1, least)
    return spelt[close[0]] if close else None


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a question that suggests the nearest spelling, "" if nothing is near."""
    close = _find_closest(name, known)
    return f"did you mean {close!r}?" if close else ""


def suggest_choice(name: str, choices: Iterable[str]) -> str:
    """Return a question that suggests the nearest value, "" if nothing is near.

    Servers are also known as the classes of their presets (GitHub, EntraID), and by longer names
    (djangorestframework-simplejwt, keycloak-26).
    """
    typed, known = _strip_marks(name), {_strip_marks(each): each for each in choices}
    parts = [each for each in known if each in typed and len(each) >= _MIN_PART]
    nearest = _find_closest(typed, known, _NEAR) or max(parts, key=len, default=None)
    return f"did you mean {known[nearest]!r}?" if nearest else ""


def _strip_marks(text: str) -> str:
    return re.sub("[-_ .]", "", text.lower())


def make_printable(text: str) -> str:
    """Return a text without control characters: escapes as in a repr stand in their place."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def _list_choices(choices: Iterable[str]) -> str:
    return f"one of {', '.join(repr(each) for each in choices)}"


def _describe(value: object) -> str:
    """Return the kind of a value, never the value itself, which may be a secret."""
    if isinstance(value, list):
        kinds = set(map(_describe_plural, value))
        if not kinds:
            return "an empty list"
        return f"a list of {kinds.pop() if len(kinds) == 1 else 'several things'}"
    if isinstance(value, int) and not isinstance(value, bool):
        return "a number"
    return _TYPE_NAMES.get(type(value), "a date")


def _describe_plural(value: object) -> str:
    """Return the kind of several values."""
    if isinstance(value, (bool, list)):
        return "booleans" if isinstance(value, bool) else "lists"
    return f"{_describe(value).partition(' ')[2]}s"


def _is_list_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(isinstance(one, kind) for one in value)


def _is_int_or_ints(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(_is_int, value))
    return _is_int(value)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_int(value) or isinstance(value, float)


def has_secret_name(key: str) -> bool:
    """Whether a key is called as only a secret would be, as in ``apiKey``."""
    name = _WORD_BOUNDARY.sub("_", key).lower().rpartition(".")[2]
    return bool(_SECRET_NAME.fullmatch(name))


def _find_secrets(value: Any, path: str = "") -> Iterator[str]:
    """Yield the dotted paths of what has a secret's name, or looks like a secret.

    Where a table says where a secret comes from, it is none: see sources.py.
    """
    if isinstance(value, dict):
        for key, below in value.items():
            here = f"{path}.{key}" if path else key
            if is_source(path, key, below):
                continue
            if has_secret_name(key):
                yield here
            yield from _find_secrets(below, here)
    elif isinstance(value, list):
        for below in value:
            yield from _find_secrets(below, path)
    elif isinstance(value, str) and _JWT.search(value):
        yield path


def is_source(path: str, key: str, value: object) -> bool:
    """Whether a table at `key` says where a secret comes from; `path` is that of what it is in."""
    if not isinstance(value, dict):
        return False
    if path in ("headers", "refresh.headers"):
        return True
    if not any(each in value for each in SOURCES):
        return False
    is_own = path == "refresh" and key != "extra"  # an option of the endpoint itself
    return is_own or (f"{path}.".startswith("refresh.") and has_secret_name(key))
