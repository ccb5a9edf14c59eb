"""Named set-ups in a TOML file, shared by the command line, `run`, `auto` and HTTPie.

    [prod]
    base_url = "https://api.example.com/v1"

    [prod.refresh]              # how to ask for a new token: a preset, or a kind and its fields
    kind = "json"
    url = "/auth/refresh"

    [prod.when]                 # what "expired" looks like, if the endpoint has no rule of its own
    json_field = "message"
    value = "Invalid JWT"

    [prod.headers]              # what else goes with each API request
    apikey = { keyring = true } # or { file = "PATH" }, or, if it is public, { public = "VALUE" }

    [prod.store]                # where the token lives; the keyring if this is left out
    kind = "file"
    path = "~/.local/state/myapp/token.json"

    [prod.login]                # what `requests-jwt login` asks; also [prod.browser],
                                # [prod.device], [prod.logout]
    url = "/auth/login"

No secret ever sits in it.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final, cast

from requests_jwt_refresh.authorization import Header, Prover
from requests_jwt_refresh.bodies import MATCH_BYTES
from requests_jwt_refresh.errors import ProfileError
from requests_jwt_refresh.given_files import UnreadableFile, read_bytes, read_stream
from requests_jwt_refresh.profiles.accounts import (
    ACCOUNT_VARIABLE,
    DEFAULT,
    SWITCH,
    Choices,
    check_account,
    read_variable,
)
from requests_jwt_refresh.profiles.environment import (
    EnvironmentStore,
    NoRefresh,
    find_environment_store,
)
from requests_jwt_refresh.profiles.fields import read_fields
from requests_jwt_refresh.profiles.home import NoHome, expand_user, find_folder
from requests_jwt_refresh.profiles.kinds import KINDS
from requests_jwt_refresh.profiles.own_command import hide_value
from requests_jwt_refresh.profiles.remembered import (
    RememberedLogin,
    RememberedPassword,
    has_refresh_token,
)
from requests_jwt_refresh.profiles.schema import (
    Table,
    check_url,
    is_device,
    make_absolute,
    make_printable,
    suggest,
)
from requests_jwt_refresh.profiles.server import find_carrier, read_server
from requests_jwt_refresh.profiles.sources import HeaderValue, read_api_headers, read_headers
from requests_jwt_refresh.profiles.store import Stores, read_store
from requests_jwt_refresh.profiles.when import read_when
from requests_jwt_refresh.refresh.logins import needs_login
from requests_jwt_refresh.urls import origin_of, validate_base, validate_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from requests_jwt_refresh.authorization import Carrier, Proofs, WirePlace
    from requests_jwt_refresh.endpoints import Endpoint
    from requests_jwt_refresh.grants.browser import BrowserLogin
    from requests_jwt_refresh.grants.device import DeviceLogin
    from requests_jwt_refresh.grants.discovery import ServerMetadata
    from requests_jwt_refresh.grants.password import PasswordLogin
    from requests_jwt_refresh.grants.revocation import Logout
    from requests_jwt_refresh.matching import Matcher
    from requests_jwt_refresh.profiles.secrets import Secret
    from requests_jwt_refresh.refresh.logins import OwnLogin
    from requests_jwt_refresh.stores.base import TokenStore
    from requests_jwt_refresh.urls import Origin

    SecondsOrZero: TypeAlias = float  # how fields.py reads such a key

__all__ = [
    "KINDS",
    "PATH_VARIABLE",
    "TEXT_VARIABLE",
    "Options",
    "Profile",
    "Profiles",
    "check",
    "default_path",
    "is_name",
    "is_set_up",
    "parse_toml",
]

PATH_VARIABLE: Final = "REQUESTS_JWT_PROFILES"  # another path than the user's own
TEXT_VARIABLE: Final = "REQUESTS_JWT_PROFILES_TOML"  # the profiles themselves, in place of a file
_TABLES: Final = {"refresh", "when", "headers", "store", "login", "browser", "device", "logout"}
_MAX_BYTES: Final = 1024 * 1024  # of all profiles; a profile has a few hundred
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The keys at the top of a profile: all are options of JWTRefreshAdapter of the same name."""

    base_url: str
    trusted_origins: tuple[str, ...] = ()
    refresh_timeout: float = 30.0
    match_limit: int = MATCH_BYTES
    allow_http: bool = False
    attach: Carrier | None = None
    renewed: WirePlace | None = None
    refresh_ahead: SecondsOrZero | None = None


@dataclass(frozen=True, kw_only=True)
class Profile(Options):
    """One named set-up, checked."""

    name: str
    file: Path | str
    account: str
    """Whose token it is; `DEFAULT` for a login that named no account."""
    reference: str
    """How the command line names profile and account: "prod", or "prod --account bob"."""
    account_source: str | None = None
    """What has chosen the account: ACCOUNT_VARIABLE or SWITCH; "" if nobody has, and None if
    whoever asked for the profile named it."""
    refresh: Endpoint | None
    """None where each token comes from a login."""
    refresh_url: str | None
    """Absolute, as requests would send it."""
    store: TokenStore
    store_label: str
    """Where the token lives, for people."""
    probe_store: TokenStore
    """A store of the same kind beside the token's, to try things on."""
    when: Matcher | None
    login: PasswordLogin | None
    browser: BrowserLogin | None
    device: DeviceLogin | None
    logout: Logout | None
    end_session_url: str | None
    """The page that ends the session in the browser (OpenID Connect RP-Initiated Logout)."""
    headers: Mapping[str, str | Callable[[], str]] = field(repr=False, hash=False)
    """What goes with each API request, beside the token."""
    secrets: Mapping[str, Secret] = field(repr=False, hash=False)
    """Where the endpoint's secrets are, and those of the headers, by their names."""

    @property
    def environment(self) -> EnvironmentStore | None:
        """Where the environment has the token, which goes before the store; None if it has none."""
        return self.store if isinstance(self.store, EnvironmentStore) else None

    @property
    def whose(self) -> str:
        """Whose token it is, and why, to go on "logged in"; "" where that need not be said."""
        if self.reference == self.name:
            return ""
        is_chosen = self.account_source and self.account != DEFAULT
        verb = "names" if self.account_source == ACCOUNT_VARIABLE else "has chosen"
        why = f", the account that {self.account_source} {verb}" if is_chosen else ""
        return f" as {self.account}{why}"

    def describe_missing_login(self, others: Sequence[str] = ()) -> tuple[str, str]:
        """Return that there is no token, and how to get one; `others` are logged in."""
        cause = f"profile {self.name!r} is not logged in{self.whose}"
        remedy = f"log in with: requests-jwt login {self.reference}"
        return cause, f"{remedy}{self._advise_other_account(others)}"

    def _advise_other_account(self, others: Sequence[str]) -> str:
        """Return how to use another account, if nobody has named this one.

        Who else is logged in is for a person at a terminal, and not for the mail of a cron job.
        """
        from requests_jwt_refresh.grants.desktop import is_read_by_person

        others = others if others and is_read_by_person() else ()
        known = ", ".join(others)
        if self.account_source == ACCOUNT_VARIABLE:
            named = f"; or name another account in {ACCOUNT_VARIABLE}: {known}"
            return named if others else f"; or unset {ACCOUNT_VARIABLE}"
        if self.account_source is None:
            return ""
        if others:
            are = "which is" if len(others) == 1 else "which are"
            first = f"{SWITCH} {self.name} --account {others[0]}"
            return f"; or use {known}, {are} logged in, with: {first}"
        if self.account_source == SWITCH:
            return f"; or go back with: {SWITCH} {self.name} --account {DEFAULT}"
        return ""

    def options(self) -> dict[str, Any]:
        """Return the arguments of JWTRefreshAdapter."""
        top = {each.name: getattr(self, each.name) for each in fields(Options)}
        given = {name: value for name, value in top.items() if value is not None}
        if self.headers:
            given["headers"] = self.headers
        if self.environment is not None:
            return {**given, **self._options_without_refresh(self.environment)}
        if self.login is not None:
            given["login"] = self._make_login(self.login)
        return {**given, "refresh": self.refresh, "store": self.store, "when": self.when}

    def _options_without_refresh(self, store: EnvironmentStore) -> dict[str, Any]:
        """Return what stands in place of an endpoint for a token from the environment.

        Neither the endpoint nor the API's answers renew that token; what else the endpoint knows
        of the API stays.
        """
        when = self.when or getattr(self.refresh, "when", None)
        return {
            "refresh": NoRefresh.of(store, self.base_url),
            "store": store,
            "when": when,
            "attach": self.carrier,
            "renewed": None,
            "refresh_ahead": None,
        }

    def _make_login(self, login: PasswordLogin) -> OwnLogin:
        """Return the adapter's login; one without a password is for its log_in() alone."""
        password = self.password
        if password is None:
            return login
        missing = self.describe_missing_login()
        return RememberedLogin(login, password, self.store, self.refresh_timeout, missing)

    @property
    def carrier(self) -> Carrier:
        """How API requests carry the access token."""
        return find_carrier(self.attach, self.refresh)

    def open_proofs(self) -> Proofs | None:
        """Return what proves the requests of a login; None without proof of possession."""
        return self.carrier.open(None) if isinstance(self.carrier, Prover) else None

    @property
    def needs_login(self) -> bool:
        """Whether somebody has to log in first; a grant of the client's own needs nobody."""
        return self.environment is not None or needs_login(self.refresh)

    @property
    def can_fetch_token(self) -> bool:
        """Whether a token may come without a person: by a client's grant or a known password."""
        if self.environment is not None:
            return False
        return not self.needs_login or self.password is not None

    @property
    def password(self) -> RememberedPassword | None:
        """Where a password may be remembered; None where a refresh token makes that needless."""
        if self.login is None or self.environment or has_refresh_token(self.refresh):
            return None
        url = self.login.url or ""
        return RememberedPassword(str(origin_of(self.base_url)), self.name, url, self.account)

    @property
    def browser_server(self) -> ServerMetadata | None:
        """What is known of the server of logins in a browser; None without such logins."""
        return cast("ServerMetadata", self.browser.issuer_or_urls) if self.browser else None

    def origins(self) -> frozenset[Origin | None]:
        """Return the origins that get the token."""
        return frozenset(map(origin_of, (self.base_url, *self.trusted_origins)))

    def named_urls(self) -> dict[str, str]:
        """Return the absolute URLs of what gives, renews and takes back tokens, by their tables."""
        grants = {"login": self.login, "device": self.device, "logout": self.logout}
        urls = {name: grant and grant.url for name, grant in grants.items()}
        page = self.browser_server and self.browser_server.authorization_url
        found = {"refresh": self.refresh_url, "browser": page, **urls}
        return {name: url for name, url in found.items() if url}

    def own_urls(self) -> frozenset[str]:
        """Return the URLs, without queries, of what gives, renews and takes back tokens."""
        urls = set(self.named_urls().values())
        urls |= {self.device.token_url or ""} if self.device else set()
        urls |= {self.browser_server.token_url or ""} if self.browser_server else set()
        return frozenset(url.partition("?")[0] for url in urls)


@dataclass(frozen=True)
class Profiles:
    """The file of profiles, not yet interpreted: a faulty profile does not affect the others."""

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
            file = default_path() if path is None else _resolve(path)
            text = _read(file)
        content, problem = parse_toml(text)
        if problem:
            place = "variable" if isinstance(file, str) else "file"
            raise ProfileError(
                f"{file}: it is not valid TOML: {problem}", f"correct it in that {place}"
            )
        return cls(file, content)

    @property
    def names(self) -> list[str]:
        """The names of the profiles, in the file's order."""
        return [name for name, each in self.content.items() if isinstance(each, dict)]

    def choose(self, name: str | None) -> str:
        """Return `name`; if it is None, that of the only profile, or of the one switched to.

        Raises ProfileError if there are none, or several and none was switched to.
        """
        if name is not None:
            return name
        if not self.names:
            raise ProfileError(
                f"{self.file}: there are no profiles yet", "make one with: requests-jwt init NAME"
            )
        if len(self.names) == 1:
            return self.names[0]
        chosen = Choices.read(self.file).profile
        if chosen in self.names:
            return str(chosen)
        raise ProfileError(
            f"{self.file}: there are several profiles, and none was named",
            f"name one of these: {self._list_names()}",
        )

    def choose_account(self, name: str, account: str | None) -> str:
        """Return the account of the profile `name` to use.

        It is `account` if that is not None, else what REQUESTS_JWT_ACCOUNT says, else the one
        switched to, else `DEFAULT`. Raises ProfileError.
        """
        return self._choose_account(name, account)[0]

    def _choose_account(self, name: str, account: str | None) -> tuple[str, str | None]:
        """Do the same, and return what has chosen it as well, see `Profile.account_source`."""
        if account is not None:
            return check_account(account, "what was given"), None
        given = read_variable(name)
        if given is not None:
            return given, ACCOUNT_VARIABLE
        current = Choices.read(self.file).find_current(name)
        return current, "" if current == DEFAULT else SWITCH

    def _refer_to(self, name: str, account: str) -> str:
        """Return how the command line names a profile and its account, if that has to be named."""
        if account == DEFAULT:
            with suppress(ProfileError):
                if Choices.read(self.file).find_current(name) == DEFAULT:
                    return name
        return f"{name} --account {account}"

    def profile(self, name: str, account: str | None = None) -> Profile:
        """Return a profile, with the store of `account`, see `choose_account`.

        A token from the environment goes before the store. Raises ProfileError if there is no such
        profile, or if it is faulty.
        """
        if name not in self.content:
            raise self._no_profile(name)
        content = self.content[name]
        if not isinstance(content, dict):
            raise ProfileError(
                f"{self.file}: {name!r} is outside of any profile",
                "put it below a line like [prod]",
            )
        environment = find_environment_store(name, self.names) if is_name(name) else None
        whose, source = self._choose_account(name, account)
        profile = _interpret(
            Table(content, self.file, name),
            account=whose,
            reference=self._refer_to(name, whose),
            environment=environment,
        )
        return replace(profile, account_source=source)

    def _no_profile(self, name: str) -> ProfileError:
        cause = f"{self.file}: there is no profile {hide_value(name)!r}"
        if not self.names:
            command = f"requests-jwt init {name if is_name(name) else 'NAME'}"
            return ProfileError(f"{cause}; there are none yet", f"make it with: {command}")
        others = f"use one of these: {self._list_names()}"
        return ProfileError(cause, suggest(name, self.names) or others)

    def _list_names(self) -> str:
        return ", ".join(map(make_printable, self.names))


def default_path() -> Path:
    """Return where the profiles are: what REQUESTS_JWT_PROFILES says, else the user's own file.

    Raises ProfileError if this user has no home folder to look in.
    """
    given = os.environ.get(PATH_VARIABLE)
    if given:
        return _resolve(given)
    try:
        return find_folder("config") / "profiles.toml"
    except NoHome as error:
        problem = str(error)
    raise ProfileError(
        f"there is no folder for the profiles: {problem}",
        f"set HOME to a folder of this user, or name a file in {PATH_VARIABLE}",
    )


def is_set_up() -> bool:
    """Whether profiles have been set up: by a variable, or in the user's own file."""
    if os.environ.get(PATH_VARIABLE) or os.environ.get(TEXT_VARIABLE):
        return True
    try:
        return default_path().exists()
    except ProfileError:  # no home, no file
        return False
    except OSError:  # a folder that cannot be looked into: reading the file says so
        return True


def is_name(name: str) -> bool:
    """Whether a profile can have this name."""
    return bool(_NAME.fullmatch(name))


def check(
    file: Path | str,
    name: str,
    content: Mapping[str, Any],
    *,
    prefix: str | None = None,
    account: str = DEFAULT,
) -> Profile:
    """Return the profile that `content` makes, without a token from the environment.

    Raises ProfileError, whose text begins with `prefix`: by default with the file and the profile.
    """
    return _interpret(Table(content, file, name, prefix=prefix), account=account)


# --- from table to profile -----------------------------------------------------------------------


def _interpret(
    table: Table,
    *,
    account: str = DEFAULT,
    reference: str | None = None,
    environment: EnvironmentStore | None = None,
) -> Profile:
    if not is_name(table.profile):
        raise table.error(
            "",
            "a profile's name is made of letters, digits, '-', '_' and '.'",
            "rename it, as in [prod]",
        )
    table.check_no_secrets()
    table.known_keys |= _TABLES  # so that none is taken for a misspelt key
    options = Options(**read_fields(table, Options))
    allow = {"allow_http": options.allow_http}
    base_url = check_url(
        table, "base_url", options.base_url, lambda url: validate_base(url, **allow)
    )
    for origin in options.trusted_origins:
        check_url(table, "trusted_origins", origin, lambda url: validate_origin(url, **allow))
    server = read_server(table, base_url, attach=options.attach, allow_http=options.allow_http)
    _check_refresh_ahead(table, options, server.refresh)
    stores = (
        read_store(table, base_url, None if account == DEFAULT else account)
        if environment is None  # else the secrets of the store may not be on this machine
        else Stores(environment, environment, environment.label)
    )
    when = read_when(table.table("when"))
    headers = _read_headers(table, options, server.refresh, base_url)
    of_headers = {
        f"headers.{name}": value.secret
        for name, value in headers.items()
        if isinstance(value, HeaderValue)
    }
    table.check_all_known()
    return Profile(
        **{**vars(options), "base_url": base_url},
        **{**server._asdict(), "secrets": {**server.secrets, **of_headers}},
        headers=headers,
        name=table.profile,
        file=table.file,
        account=account,
        reference=reference or table.profile,
        store=stores.store,
        store_label=stores.label,
        probe_store=stores.probe_store,
        when=when,
    )


def _check_refresh_ahead(table: Table, options: Options, endpoint: Endpoint | None) -> None:
    if options.refresh_ahead == 0 and getattr(endpoint, "needs_live_token", False):
        raise table.error(
            "refresh_ahead",
            "= 0 does not go with this endpoint, which takes the access token only while that is "
            "valid",
            "leave the key out, or give a number of seconds above 0",
        )


def _read_headers(
    profile: Table, options: Options, endpoint: Endpoint | None, base_url: str
) -> dict[str, str | Callable[[], str]]:
    """Return the headers that go with each API request: the endpoint's own and the profile's."""
    carrier = find_carrier(options.attach, endpoint)
    token_header = carrier.name if isinstance(carrier, Header) else None
    given = read_headers(profile.table("headers"), str(origin_of(base_url)), token_header)
    names = set(map(str.lower, given))
    of_endpoint = read_api_headers(endpoint)
    kept = {name: value for name, value in of_endpoint.items() if name.lower() not in names}
    return {**kept, **given}


# --- the file ------------------------------------------------------------------------------------


def _resolve(path: str | os.PathLike[str]) -> Path:
    """Return an absolute path, without ``~``. Raises ProfileError."""
    try:
        return make_absolute(expand_user(path))
    except NoHome as error:
        problem = str(error)
    raise ProfileError(
        f"{path}: {problem}", f"give the whole path, or name another file in {PATH_VARIABLE}"
    )


def _read(file: Path) -> str:
    # A shell's <(...) and /dev/stdin have a writer; a pipe in a folder may never get one.
    read = read_stream if is_device(file) else read_bytes
    try:
        return read(file, _MAX_BYTES).decode("utf-8-sig")
    except UnreadableFile as error:
        cause = f"it {error}"
        remedy = f"name a file that you can read in {PATH_VARIABLE}"
        if isinstance(error.__cause__, FileNotFoundError):
            cause = "there is no such file"
            remedy = "make a first profile with: requests-jwt init NAME"
    except UnicodeDecodeError:
        cause, remedy = "it is not UTF-8 text, as TOML must be", "convert it to UTF-8"
    raise ProfileError(f"{file}: {cause}", remedy)


def parse_toml(text: str) -> tuple[dict[str, Any], str]:
    """Return what the text says in TOML, and what is wrong with it, "" if nothing is."""
    try:
        return _find_toml_reader()(text), ""
    except RecursionError:
        return {}, "it is nested too deeply"
    except ValueError as error:
        return {}, str(error)


def _find_toml_reader() -> Callable[[str], dict[str, Any]]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError:  # under `run`, with what is installed for a newer Python
            import tomlkit

            return lambda text: tomlkit.parse(text).unwrap()
    return tomllib.loads
