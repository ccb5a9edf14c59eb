"""Named set-ups in a TOML file, shared by the command line, `run`, `auto` and HTTPie.

    [prod]
    base_url = "https://api.example.com/v1"

    [prod.refresh]              # how to ask for a new token: a preset, or a kind and its fields
    kind = "json"
    url = "/auth/refresh"

    [prod.when]                 # what "expired" looks like, if the endpoint has no rule of its own
    json_field = "message"
    value = "Invalid JWT"

    [prod.store]                # where the token lives; the keyring if this is left out
    kind = "file"
    path = "~/.local/state/myapp/token.json"

    [prod.login]                # what `requests-jwt login` asks; also [prod.device], [prod.logout]
    url = "/auth/login"

No secret ever sits in it.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from requests_jwt_refresh import presets
from requests_jwt_refresh.endpoints import BearerEndpoint, JSONEndpoint, OAuth2Endpoint, check_json
from requests_jwt_refresh.errors import InvalidURL, ProfileError, StoreError
from requests_jwt_refresh.grants.sign_in import DeviceLogin, Logout, PasswordLogin, reading
from requests_jwt_refresh.matching import all_of, any_of, bearer_challenge, json_field, status
from requests_jwt_refresh.profiles.schema import Table, nearest, printable
from requests_jwt_refresh.profiles.secrets import SecretFile, SecretInKeyring, WithSecret
from requests_jwt_refresh.urls import (
    has_scheme,
    join,
    origin_of,
    validate,
    validate_base,
    validate_origin,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests_jwt_refresh.endpoints import Endpoint
    from requests_jwt_refresh.matching import Matcher
    from requests_jwt_refresh.stores.base import TokenStore
    from requests_jwt_refresh.urls import Origin

PATH_VARIABLE: Final = "REQUESTS_JWT_PROFILES"  # another path than the user's own
TEXT_VARIABLE: Final = "REQUESTS_JWT_PROFILES_TOML"  # the profiles themselves, in place of a file
_BESIDE: Final = "doctor"  # what is added to the name of a store to have one beside it
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Preset(NamedTuple):
    """A known server: its endpoint, and where its documentation has login and logout."""

    endpoint: Callable[..., JSONEndpoint | BearerEndpoint]
    login: Mapping[str, Any] = {}
    logout: Mapping[str, Any] = {}


PRESETS: Final = {
    "simplejwt": Preset(
        presets.SimpleJWT,
        {"url": "/api/token/"},
        {"url": "/api/token/blacklist/", "refresh_field": "refresh"},
    ),
    "flask-jwt-extended": Preset(
        presets.FlaskJWTExtended,
        {"url": "/login"},
        {"url": "/logout", "send": "bearer", "method": "DELETE"},
    ),
    "directus": Preset(
        presets.Directus,
        {"url": "/auth/login", "username_field": "email", "extra": {"mode": "json"}},
        {"url": "/auth/logout", "extra": {"mode": "json"}},
    ),
    "aspnetcore-identity": Preset(
        presets.ASPNETCoreIdentity, {"url": "/login", "username_field": "email"}
    ),
    "express": Preset(presets.Express, {}, {"refresh_field": "refreshToken"}),
}

KINDS: Final = {"json": JSONEndpoint, "bearer": BearerEndpoint, "oauth2": OAuth2Endpoint}


@dataclass(frozen=True)
class Profile:
    """One named set-up, checked."""

    name: str
    file: Path | str
    base_url: str
    refresh: Endpoint
    refresh_url: str
    """Absolute, as requests would send it."""
    store: TokenStore
    store_shown: str
    """Where the token lives, for people."""
    beside: TokenStore
    """A store of the same kind for something else: what `doctor` tries things on."""
    when: Matcher | None
    trusted_origins: tuple[str, ...]
    refresh_timeout: float
    allow_http: bool
    login: PasswordLogin | None
    device: DeviceLogin | None
    logout: Logout | None
    secret: SecretFile | SecretInKeyring | None = field(repr=False)

    def options(self) -> dict[str, Any]:
        """Return the arguments of JWTRefreshAdapter."""
        return {
            "base_url": self.base_url,
            "refresh": self.refresh,
            "store": self.store,
            "when": self.when,
            "trusted_origins": self.trusted_origins,
            "refresh_timeout": self.refresh_timeout,
            "allow_http": self.allow_http,
        }

    def origins(self) -> frozenset[Origin | None]:
        """Return the origins that get the token."""
        return frozenset(map(origin_of, (self.base_url, *self.trusted_origins)))

    def own_urls(self) -> frozenset[str]:
        """Return the URLs, without queries, of what gives, renews and takes back tokens."""
        asked = {self.refresh_url}
        asked |= {each.url for each in (self.login, self.device, self.logout) if each is not None}
        asked |= {self.device.token_url} if self.device else set()
        return frozenset(url.partition("?")[0] for url in asked)


@dataclass(frozen=True)
class Profiles:
    """The file of profiles, read but not yet understood: one that is faulty spoils no other."""

    file: Path | str
    content: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, path: str | os.PathLike[str] | None = None) -> Profiles:
        """Read the file at `path`, by default `default_path()`.

        Raises ProfileError if there is none, or if it cannot be read or is no TOML.
        """
        file: Path | str = TEXT_VARIABLE
        text = os.environ.get(TEXT_VARIABLE) if path is None else None
        if not text:
            file = default_path() if path is None else _absolute(path)
            text = _read(file)
        content, problem = parsed(text)
        if problem:
            raise ProfileError(f"{file}: it is not TOML: {problem}")
        return cls(file, content)

    @property
    def names(self) -> list[str]:
        """The names of the profiles, in the file's order."""
        return [name for name, each in self.content.items() if isinstance(each, dict)]

    def profile(self, name: str) -> Profile:
        """Return a profile. Raises ProfileError if there is none, or if it is faulty."""
        if name not in self.content:
            raise ProfileError(f"{self.file}: there is no profile {name!r}; {self._instead(name)}")
        content = self.content[name]
        if not isinstance(content, dict):
            raise ProfileError(
                f"{self.file}: {name!r} stands outside of any profile: put it below a line like "
                "[prod]"
            )
        return _profile(Table(content, self.file, name))

    def _instead(self, name: str) -> str:
        if not self.names:
            return f"there are none yet. Make it with: requests-jwt init {name}"
        return nearest(name, self.names) or f"there are: {', '.join(map(printable, self.names))}"


def default_path() -> Path:
    """Return where the profiles are: what REQUESTS_JWT_PROFILES says, else the user's own file."""
    given = os.environ.get(PATH_VARIABLE)
    if given:
        return _absolute(given)
    import platformdirs

    folder = platformdirs.user_config_path("requests-jwt-refresh", appauthor=False)
    return folder / "profiles.toml"


def is_set_up() -> bool:
    """Whether anybody has set up profiles: a variable that says so, or the user's own file."""
    given = (os.environ.get(PATH_VARIABLE), os.environ.get(TEXT_VARIABLE))
    return any(given) or default_path().exists()


def is_name(name: str) -> bool:
    """Whether a profile can be called that."""
    return bool(_NAME.fullmatch(name))


def check(file: Path | str, name: str, content: Mapping[str, Any]) -> Profile:
    """Return the profile that `content` makes. Raises ProfileError."""
    return _profile(Table(content, file, name))


# --- from table to profile -----------------------------------------------------------------------


def _profile(table: Table) -> Profile:
    if not is_name(table.profile):
        raise table.error("", "a profile's name is made of letters, digits, '-', '_' and '.'")
    table.check_no_secrets()
    allow_http = table.flag("allow_http")
    table.asked |= {"refresh", "trusted_origins", "refresh_timeout", "when", "store"}
    table.asked |= {"login", "device", "logout"}  # so that a misspelling is not taken for these
    base = _url(table, "base_url", lambda url: validate_base(url, allow_http=allow_http))
    server = _Server(table, base, allow_http=allow_http)
    endpoint = server.endpoint()
    store, beside, shown = _store(table.table("store"), table, base)
    made = Profile(
        name=table.profile,
        file=table.file,
        base_url=base,
        refresh=endpoint,
        refresh_url=server.refresh_url,
        store=store,
        store_shown=shown,
        beside=beside,
        when=_when(table.table("when")),
        trusted_origins=_origins(table, allow_http=allow_http),
        refresh_timeout=table.seconds("refresh_timeout", 30.0),
        allow_http=allow_http,
        login=server.login(endpoint),
        device=server.device(endpoint),
        logout=server.logout(endpoint),
        secret=endpoint.secret if isinstance(endpoint, WithSecret) else None,
    )
    table.check_all_known()
    return made


class _Server:
    """Reads what a profile says about its server."""

    def __init__(self, table: Table, base: str, *, allow_http: bool) -> None:
        self._table, self._base, self._allow_http = table, base, allow_http
        self._preset: Preset | None = None
        self.refresh_url = ""

    def endpoint(self) -> Endpoint:
        table = self._table.table("refresh")
        if table is None:
            raise self._table.missing(
                "refresh",
                f"a table with a preset ({', '.join(PRESETS)}) or a kind ({', '.join(KINDS)}) and "
                "its url",
            )
        preset, kind = table.choice("preset", PRESETS, None), table.choice("kind", KINDS, None)
        if preset is None and kind is None:
            raise table.missing("kind", f"one of {', '.join(KINDS)}, or there must be a preset")
        if preset is not None and kind is not None:
            raise table.error("", f"{table.path[:-1]} needs either a preset or a kind, not both")
        if preset is not None:
            self._preset = PRESETS[preset]
            make: Callable[..., Any] = self._preset.endpoint
            fields = self._fields(table, make, needs_url=preset == "express")
        else:
            make = KINDS[str(kind)]
            fields = self._fields(table, make, needs_url=True)
        table.check_all_known()
        made = _made(table, make, fields)
        self.refresh_url = self._url(table, "url", made.url)
        return self._with_secret(table, made)

    def _fields(self, table: Table, make: Callable[..., Any], *, needs_url: bool) -> dict[str, Any]:
        """Return the arguments of an endpoint that the table gives."""
        fields: dict[str, Any] = {"extra": table.anything("extra")}
        fields["url"] = table.text("url") if needs_url else table.text("url", None)
        if make is OAuth2Endpoint:
            fields["client_id"] = table.text("client_id", None)
            fields["client_auth"] = table.choice("client_auth", ("basic", "post", "none"), None)
            fields["client_secret_file"] = table.text("client_secret_file", None)
            has_secret = fields["client_auth"] in ("basic", "post") or fields["client_secret_file"]
            if has_secret and fields["client_id"] is None:
                raise table.missing("client_id", "the id that goes with the client's secret")
        else:
            fields |= {name: table.text(name, None) for name in ("access", "refresh", "expires_in")}
            fields |= {name: table.numbers(name, None) for name in ("ok", "rejected")}
            name = "method" if issubclass(make, BearerEndpoint) else "send"  # type: ignore[arg-type]
            fields[name] = table.text(name, None)
            if make is presets.FlaskJWTExtended:
                fields["message_key"] = table.text("message_key", None)
        given = {name: value for name, value in fields.items() if value is not None}
        if not given["extra"]:
            del given["extra"]  # a preset has its own
        if make is not OAuth2Endpoint and table.flag("bare"):
            if "access" in given:
                raise table.error("bare", "says that there are no fields: leave access out")
            given["access"] = None
        return given

    def _with_secret(self, table: Table, made: Any) -> Endpoint:
        if not isinstance(made, OAuth2Endpoint) or made.client_secret is None:
            return made  # type: ignore[no-any-return]
        path = table.text("client_secret_file", None)
        where = (
            SecretInKeyring(str(origin_of(self._base)), table.profile)
            if path is None
            else SecretFile(_path(table, path))
        )
        return WithSecret(made, where)

    def login(self, endpoint: Endpoint) -> PasswordLogin | None:
        table = self._part("login")
        if table is None:
            return None
        send = table.choice("send", ("json", "form", "basic", "oauth2"), "json")
        if send == "oauth2":
            self._need_oauth2(table, "send", endpoint)
        url = table.text("url", endpoint.url if send == "oauth2" else self._missing_url(table))
        fields = {name: table.text(name, None) for name in ("access", "refresh", "expires_in")}
        named = [name for name, value in fields.items() if value]
        if isinstance(endpoint, (OAuth2Endpoint, WithSecret)) and named:
            raise table.error(
                named[0], "has no place in OAuth 2.0, whose answers have fixed fields"
            )
        made = PasswordLogin(
            self._url(table, "url", url),
            _made(table, reading, {"endpoint": endpoint, **fields}),
            send=send,
            username_field=table.text("username_field", "username"),
            password_field=table.text("password_field", "password"),
            extra=_extra(table),
        )
        table.check_all_known()
        return made

    def device(self, endpoint: Endpoint) -> DeviceLogin | None:
        table = self._part("device")
        if table is None:
            return None
        client = self._need_oauth2(table, "url", endpoint)
        client_id = client.client_id if isinstance(client, OAuth2Endpoint) else None
        client_id = client.endpoint.client_id if isinstance(client, WithSecret) else client_id
        if client_id is None:
            raise self._table.error("refresh.client_id", "is missing: the device flow needs it")
        made = DeviceLogin(
            self._url(table, "url", table.text("url")),
            self._url(table, "token_url", table.text("token_url", endpoint.url)),
            client,
            client_id,
            table.text("scope", None),
        )
        table.check_all_known()
        return made

    def logout(self, endpoint: Endpoint) -> Logout | None:
        table = self._part("logout")
        if table is None:
            return None
        send = table.choice("send", ("json", "bearer", "oauth2"), "json")
        client = self._need_oauth2(table, "send", endpoint) if send == "oauth2" else None
        made = Logout(
            self._url(table, "url", table.text("url")),
            send=send,
            method=table.text("method", "POST"),
            refresh_field=table.text("refresh_field", "refresh_token"),
            extra=_extra(table),
            client=client,
        )
        if not made.method.isalpha():
            raise table.error("method", "is no HTTP method such as 'POST'")
        table.check_all_known()
        return made

    def _part(self, name: str) -> Table | None:
        """Return a table of the profile, filled up with what the preset knows.

        Of logout, nothing is assumed: not every server has it.
        """
        table = self._table.table(name)
        known: Mapping[str, Any] = {}
        if self._preset is not None:
            known = {"login": self._preset.login, "logout": self._preset.logout}.get(name, {})
        if table is None:
            if name != "login" or not known:
                return None
            return Table(known, self._table.file, self._table.profile, f"{name}.")
        return replace(table, content={**known, **table.content})

    def _missing_url(self, table: Table) -> str:
        if "url" not in table.content:
            table.text("url")  # raises the error that it is missing
        return ""

    def _need_oauth2(self, table: Table, key: str, endpoint: Endpoint) -> Any:
        if isinstance(endpoint, (OAuth2Endpoint, WithSecret)):
            return endpoint
        raise table.error(key, "is for OAuth 2.0 servers: the profile's refresh.kind is another")

    def _url(self, table: Table, key: str, url: str) -> str:
        """Return a URL, absolute or below the base URL, as an absolute one."""

        def read(url: str) -> str:
            what = f"the {table.path.partition('.')[0]} URL"
            return validate(_below(self._base, url), what=what, allow_http=self._allow_http)

        return _understood(table, key, url, read)


def _extra(table: Table) -> dict[str, Any]:
    extra = table.anything("extra")
    _made(table, check_json, [extra])
    return extra


def _below(base: str, url: str) -> str:
    return url if has_scheme(url) else join(base, url)


def _origins(table: Table, *, allow_http: bool) -> tuple[str, ...]:
    def read(url: str) -> str:
        validate_origin(url, allow_http=allow_http)
        return url

    key = "trusted_origins"
    return tuple(_understood(table, key, url, read) for url in table.texts(key))


def _when(table: Table | None) -> Matcher | None:
    if table is None:
        return None
    matcher: Matcher = _matcher(table)
    table.check_all_known()
    return matcher


def _matcher(table: Table) -> Any:
    table.asked |= _RULES
    given = sorted(_RULES & table.content.keys() - {"status"})
    if len(given) > 1:
        raise table.error("", f"{table.path[:-1]} has {' and '.join(given)}: one rule at a time")
    rule = given[0] if given else "status"
    if rule in ("any_of", "all_of"):
        if "status" in table.content:
            raise table.error("status", f"has no place beside {rule}: put it into its rules")
        parts = [_matcher(one) for one in _known_only(table.tables(rule))]
        return _made(table, any_of if rule == "any_of" else all_of, parts)
    codes = table.numbers("status", (401,) if given else None)
    if codes is None:
        table.asked |= {"value"}
        table.check_all_known()
        raise table.error("", f"{table.path[:-1]} says nothing: give {_ANY_RULE}")
    if rule == "json_field":
        fields = {"path": table.text(rule), "value": table.scalar("value"), "status": codes}
        return _made(table, json_field, fields)
    if rule == "bearer_challenge":
        error = None if table.content[rule] is True else _text_or_true(table, rule)
        return _made(table, bearer_challenge, {"error": error, "status": codes})
    return _made(table, status, list(codes or ()))


_RULES: Final = frozenset({"json_field", "bearer_challenge", "any_of", "all_of", "status"})


_ANY_RULE: Final = "json_field and value, bearer_challenge, status, any_of or all_of"


def _text_or_true(table: Table, key: str) -> str:
    if table.content[key] is False:
        raise table.error(key, "must be true or a string: leave it out if it is no rule")
    return table.text(key)


def _known_only(tables: list[Table]) -> Iterator[Table]:
    for table in tables:
        yield table
        table.check_all_known()


_Stores = tuple["TokenStore", "TokenStore", str]  # the token's, one beside it, and where they are


def _store(table: Table | None, profile: Table, base: str) -> _Stores:
    kind = "keyring" if table is None else table.choice("kind", ("keyring", "file", "redis"))
    table = table or Table({}, profile.file, profile.profile, "store.")
    stores = {"keyring": _keyring, "file": _file, "redis": _redis}[kind](table, base)
    table.check_all_known()
    return stores


def _keyring(table: Table, base: str) -> _Stores:
    from requests_jwt_refresh.stores.keyring import KeyringStore

    service = table.text("service", str(origin_of(base)))
    account = table.text("account", table.profile)
    plaintext = table.flag("allow_plaintext")

    def make(account: str) -> TokenStore:
        fields = {"service": service, "account": account, "allow_plaintext": plaintext}
        store: TokenStore = _made(table, KeyringStore, fields)
        return store

    return make(account), make(f"{account} {_BESIDE}"), f"keyring, entry '{service} ({account})'"


def _file(table: Table, _base: str) -> _Stores:
    from requests_jwt_refresh.stores.file import FileStore

    path = _path(table, table.text("path"))
    return FileStore(path), FileStore(f"{path}.{_BESIDE}"), f"file {path}"


def _redis(table: Table, _base: str) -> _Stores:
    from requests_jwt_refresh.stores.redis import RedisStore

    url, key = table.text("url", None), table.text("key")
    url_file, key_file = table.text("url_file", None), table.text("encryption_key_file", None)
    if (url is None) is (url_file is None):
        raise table.error("url", "or url_file is needed, and only one of them")
    if "@" in (url or "") or "password" in parse_qs(urlsplit(url or "").query):
        raise table.error(
            "url",
            "holds a password, and no secret goes into this file: put the URL into a file of its "
            "own and name it as url_file",
        )
    options: dict[str, Any] = {"client": url or _secret_in(table, "url_file")}
    if key_file is not None:
        options["encryption_key"] = _secret_in(table, "encryption_key_file")

    def make(key: str) -> TokenStore:
        try:
            store: TokenStore = _made(table, RedisStore, {**options, "key": key})
        except ImportError as error:
            problem = str(error)
        else:
            return store
        raise table.error("kind", f"is 'redis', but {problem}")

    return make(key), make(f"{key}:{_BESIDE}"), f"Redis, key {key!r}"


def _secret_in(table: Table, key: str) -> str:
    try:
        return SecretFile(_path(table, table.text(key))).read()
    except StoreError as error:
        problem = str(error)
    raise table.error(key, f"cannot be used: {problem}")


def _path(table: Table, path: str) -> str:
    """Return a path that means the same in every folder: a relative one is beside the profiles."""
    if "\0" in path:
        raise table.error("path", "has a character that no file name can have")
    try:
        found = Path(path).expanduser()
    except RuntimeError:
        raise table.error(
            "path", f"{path!r} names the home of a user that does not exist"
        ) from None
    if isinstance(table.file, Path):
        found = table.file.parent / found
    return str(_absolute(found))


def _url(table: Table, key: str, read: Callable[[str], str]) -> str:
    return _understood(table, key, table.text(key), read)


def _understood(table: Table, key: str, url: str, read: Callable[[str], str]) -> str:
    try:
        return read(url)
    except InvalidURL as error:
        problem = str(error).replace("allow_http=True", "allow_http = true")
    del url  # tools that show a traceback with its arguments must not show what is in it
    raise table.error(key, f"cannot be used: {problem}")


def _made(table: Table, make: Callable[..., Any], arguments: dict[str, Any] | list[Any]) -> Any:
    """Call `make`; what it says of its arguments becomes an error about the table."""
    try:
        if isinstance(arguments, list):
            return make(*arguments)
        return make(**_with_stand_in(arguments))
    except (TypeError, ValueError) as error:
        problem = str(error)
    del arguments  # as in _understood
    raise table.error("", f"{table.path[:-1]}: {problem}")


_STAND_IN: Final = "looked up when needed"


def _with_stand_in(arguments: dict[str, Any]) -> dict[str, Any]:
    """Give a client that has a secret one for show; see WithSecret."""
    has_file = arguments.pop("client_secret_file", None) is not None
    if has_file or arguments.get("client_auth") in ("basic", "post"):
        arguments["client_secret"] = _STAND_IN
    return arguments


# --- the file ------------------------------------------------------------------------------------


def _absolute(path: str | os.PathLike[str]) -> Path:
    """Return a path that means the same in every folder."""
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        problem = (
            "there is no such user, and so no such file. Name another file in " + PATH_VARIABLE
        )
    except OSError:
        problem = (
            "this relative path leads nowhere, since the folder that this program works in was "
            "deleted. Go to a folder that is there, or give the whole path"
        )
    raise ProfileError(f"{path}: {problem}")


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        problem = "there is no such file. Make a first profile with: requests-jwt init NAME"
    except UnicodeDecodeError:
        problem = "it is not UTF-8 text, as TOML must be"
    except ValueError:
        problem = "no file can have that name"
    except OSError as error:
        reason = error.strerror or type(error).__name__
        problem = f"it cannot be read ({reason}). Name a file that you can read in {PATH_VARIABLE}"
    raise ProfileError(f"{file}: {problem}")


def parsed(text: str) -> tuple[dict[str, Any], str]:
    """Return what the text says in TOML, and what is wrong with it, if anything."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text), ""
    except RecursionError:
        return {}, "it is nested too deeply"
    except ValueError as error:
        return {}, str(error)
