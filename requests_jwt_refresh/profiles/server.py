"""What a profile says about its server: [refresh], [login], [browser], [device], [logout].

Their keys are the fields of the endpoints and grants; this module adds what is more than a field.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from requests_jwt_refresh import endpoints, presets
from requests_jwt_refresh.authorization import AUTHORIZATION
from requests_jwt_refresh.endpoint_options import check_headers, check_json
from requests_jwt_refresh.endpoints import JSONEndpoint, OAuth2Endpoint
from requests_jwt_refresh.grants import RESPONSE_MODES
from requests_jwt_refresh.profiles.fields import read_fields
from requests_jwt_refresh.profiles.jose import check_attach, take_private_key
from requests_jwt_refresh.profiles.kinds import ENDPOINT_KINDS, GRANT_KINDS, KINDS
from requests_jwt_refresh.profiles.schema import build, check_url
from requests_jwt_refresh.profiles.secrets import (
    PLACEHOLDER,
    SecretFile,
    SecretInKeyring,
    WithSecrets,
)
from requests_jwt_refresh.profiles.sources import take_out
from requests_jwt_refresh.refresh.logins import needs_login
from requests_jwt_refresh.urls import join_endpoint, origin_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests_jwt_refresh.authorization import Carrier
    from requests_jwt_refresh.endpoints import Endpoint
    from requests_jwt_refresh.grants import OAuth2Client
    from requests_jwt_refresh.grants.browser import BrowserLogin
    from requests_jwt_refresh.grants.device import DeviceLogin
    from requests_jwt_refresh.grants.discovery import ServerMetadata
    from requests_jwt_refresh.grants.password import PasswordLogin
    from requests_jwt_refresh.grants.revocation import Logout
    from requests_jwt_refresh.profiles.schema import Table
    from requests_jwt_refresh.profiles.secrets import Secret

_NO_KEYS: Final = {"when", "client_secret"}  # a table of its own; no secret goes into a profile
NO_LOGIN_KEYS: Final = frozenset({"url", "username", "password", "endpoint"})
_RESPONSE_KEYS: Final = ("access", "refresh", "expires_in", "expires_in_unit", "expires_at")
_NO_PRESET: Final = presets.Preset(JSONEndpoint)


class Server(NamedTuple):
    """What a profile says about its server."""

    refresh: Endpoint | None
    refresh_url: str | None
    login: PasswordLogin | None
    browser: BrowserLogin | None
    device: DeviceLogin | None
    logout: Logout | None
    end_session_url: str | None
    secrets: Mapping[str, Secret]
    """Of the endpoint, by their names."""


@dataclass(frozen=True)
class _Base:
    """The base URL, below which relative URLs are."""

    url: str
    allow_http: bool

    def join(self, table: Table, key: str, url: str) -> str:
        """Return the URL at `key` as an absolute one. Raises ProfileError."""
        what = f"the {table.name} URL"

        def check(url: str) -> str:
            return join_endpoint(self.url, url, what=what, allow_http=self.allow_http)

        return check_url(table, key, url, check)


def read_server(
    profile: Table, base_url: str, *, attach: Carrier | None, allow_http: bool
) -> Server:
    """Return what the profile says about its server. Raises ProfileError."""
    base = _Base(base_url, allow_http)
    table = profile.table("refresh")
    if table is None and "login" not in profile.content:
        kinds, names = ", ".join(KINDS), ", ".join(presets.PRESET_MODULES)
        expected = f"a table with a preset ({names}) or a kind ({kinds}) and its url"
        error = profile.missing("refresh", expected)
        error.remedy += "; an API without a refresh needs [login]"
        raise error
    preset, endpoint, refresh_url = _NO_PRESET, None, None
    if table is not None:
        preset = _read_preset(table)
        endpoint = _read_endpoint(table, preset.endpoint, base_url)
        check_attach(table, endpoint)
        refresh_url = base.join(table, "url", endpoint.url)
        _check_needs_login(profile, table, endpoint)
    return Server(
        endpoint,
        refresh_url,
        _read_login(profile, preset, endpoint, base),
        _read_browser(profile, endpoint, base),
        _read_device(profile, endpoint, base),
        *_read_logout(profile, preset, endpoint, find_carrier(attach, endpoint), base),
        endpoint.secrets_by_name() if isinstance(endpoint, WithSecrets) else {},
    )


def find_carrier(attach: Carrier | None, endpoint: object) -> Carrier:
    """Return how API requests carry the token: as the profile says, else as the endpoint does."""
    found: Carrier = attach or getattr(endpoint, "attach", None) or AUTHORIZATION
    return found


# --- [refresh] -----------------------------------------------------------------------------------


def _read_preset(table: Table) -> presets.Preset:
    """Return the preset that the table names, or one made of nothing but its kind."""
    preset = table.choice("preset", presets.PRESET_MODULES, None)
    kind = table.choice("kind", KINDS, None)
    if preset is not None and kind is not None:
        raise table.error(
            "", f"{table.name} needs either a preset or a kind, not both", "leave one of them out"
        )
    if preset is not None:
        return presets.load(preset)
    if kind is None:
        raise table.missing("kind", f"one of {', '.join(KINDS)}, or there must be a preset")
    return presets.Preset(load_kind(kind))


def load_kind(kind: str) -> Any:
    """Return the class of endpoints that is called `kind` in a profile; presets have their own."""
    if kind in ENDPOINT_KINDS:
        return getattr(endpoints, ENDPOINT_KINDS[kind])
    from requests_jwt_refresh import token_grants  # late, as all that few profiles have

    return getattr(token_grants, GRANT_KINDS[kind])


def _read_endpoint(table: Table, make: Any, base_url: str) -> Any:
    """Return the endpoint that the table describes, with its secrets if it has some."""
    service = str(origin_of(base_url))
    table, secrets = take_out(table, service)
    auth = None
    if issubclass(make, OAuth2Endpoint):
        table, auth = take_private_key(table)
    fields = read_fields(table, make, leave_out=_NO_KEYS)
    if auth is not None:
        fields["client_auth"] = auth
    elif issubclass(make, OAuth2Endpoint):
        secret = _read_client_secret(table, make, fields, service)
        if secret is not None:
            secrets["client_secret",] = secret
            fields["client_secret"] = PLACEHOLDER
    elif table.flag("bare", False):
        if "access" in fields:
            raise table.error("bare", "says that there are no fields", "leave access out")
        fields["access"] = None
    table.check_all_known()
    endpoint = build(table, make, **fields)
    return WithSecrets(endpoint, secrets, make, fields) if secrets else endpoint


def _check_needs_login(profile: Table, table: Table, endpoint: Endpoint) -> None:
    """Raise ProfileError for a login beside a grant for which nobody has to log in."""
    for name in () if needs_login(endpoint) else ("login", "browser", "device"):
        if name in profile.content:
            kind = table.content.get("kind", table.content.get("preset"))
            raise profile.error(
                name, f"has no place beside {kind}, for which nobody has to log in", "leave it out"
            )


def _read_client_secret(
    table: Table, make: Any, fields: Mapping[str, Any], service: str
) -> Secret | None:
    """Return where the secret of a client that has one is; in the keyring if nothing is said."""
    from requests_jwt_refresh.token_grants import ClientCredentials

    has_file = table.text("client_secret_file", None) is not None
    usual = make.__dataclass_fields__["client_auth"].default
    usual = usual or ("basic" if issubclass(make, ClientCredentials) else "none")
    if not has_file and fields.get("client_auth", usual) == "none":
        return None
    if "client_id" not in fields:
        raise table.missing("client_id", "the id that goes with the client's secret")
    if has_file:
        return SecretFile(table.file_path("client_secret_file"))
    return SecretInKeyring(service, table.profile)


# --- [login], [browser], [device], [logout] ------------------------------------------------------


def _read_login(
    profile: Table, preset: presets.Preset, endpoint: Endpoint | None, base: _Base
) -> PasswordLogin | None:
    given = profile.table("login")
    table = given or profile.subtable("login", {})
    documented = _fill(table, preset, preset.login, endpoint)
    if given is None and "url" not in documented and documented.get("send") != "oauth2":
        return None  # of no server, or of another one than that which is documented
    from requests_jwt_refresh.grants.password import PasswordLogin

    fields = documented | read_fields(table, PasswordLogin, leave_out=NO_LOGIN_KEYS)
    usual = fields.pop("url", None)
    if fields.get("send") == "oauth2":
        usual = _check_oauth2(table, "send", endpoint).url
    url = _read_url(table, usual, base)
    table.check_all_known()
    response = {name: fields.pop(name) for name in _RESPONSE_KEYS if name in fields}
    reader = build(table, _make_reader, endpoint, response)
    return build(table, PasswordLogin, url, endpoint=reader, **fields)


def _make_reader(endpoint: Endpoint | None, response: Mapping[str, Any]) -> Endpoint | None:
    """Return what reads a login's response: the endpoint, but for what the login itself says."""
    if endpoint is None:
        return JSONEndpoint("/login", **response)
    if not response:
        return endpoint
    if isinstance(endpoint, WithSecrets):
        return endpoint.with_arguments(**response)
    return replace(cast("JSONEndpoint", endpoint), **response)


def _read_browser(profile: Table, endpoint: Endpoint | None, base: _Base) -> BrowserLogin | None:
    table = profile.table("browser")
    if table is None:
        return None
    client = _check_oauth2(table, "authorization_url", endpoint)
    client_id = _get_client_id(profile, client, "a login in a browser")
    from requests_jwt_refresh.grants.browser import BrowserLogin
    from requests_jwt_refresh.grants.redirects import RedirectURI

    table = replace(table, content={"token_url": client.url, **table.content})
    fields = _BrowserFields(**read_fields(table, _BrowserFields))
    table.check_all_known()
    if fields.redirect_uri is not None:
        check_url(
            table, "redirect_uri", fields.redirect_uri, lambda uri: RedirectURI.parse(uri).text
        )
    server = fields.make_metadata(table, base)
    login: BrowserLogin = build(
        table,
        BrowserLogin,
        server,
        client_id,
        scope=fields.scope,
        redirect_uri=fields.redirect_uri,
        timeout=fields.timeout,
        extra=fields.extra,
    )
    return login


@dataclass(frozen=True)
class _BrowserFields:
    """The keys of [browser]: what a server says of itself, and how a login asks it."""

    authorization_url: str
    token_url: str
    issuer: str = ""
    """What `iss` has to be equal to, in the response and in an id_token."""
    redirect_uri: str | None = None
    scope: str | None = None
    response_mode: str = field(default=RESPONSE_MODES[0], metadata={"choices": RESPONSE_MODES})
    sends_iss: bool = False
    """Whether each response names its server (RFC 9207)."""
    timeout: float = 300.0
    extra: Mapping[str, Any] = field(default_factory=dict)

    def make_metadata(self, table: Table, base: _Base) -> ServerMetadata:
        """Return what is known of the server. Raises ProfileError."""
        from requests_jwt_refresh.grants.discovery import ServerMetadata

        scopes = tuple((self.scope or "").split())
        return ServerMetadata(
            self.issuer,
            authorization_url=base.join(table, "authorization_url", self.authorization_url),
            token_url=base.join(table, "token_url", self.token_url),
            response_modes=(self.response_mode,),
            sends_iss=self.sends_iss,
            # As the scope says: nothing is added to it, and a consent goes with what needs one.
            is_openid="openid" in scopes,
            takes_offline_access="offline_access" in scopes,
        )


def _read_device(profile: Table, endpoint: Endpoint | None, base: _Base) -> DeviceLogin | None:
    table = profile.table("device")
    if table is None:
        return None
    client = _check_oauth2(table, "url", endpoint)
    client_id = _get_client_id(profile, client, "the device flow")
    from requests_jwt_refresh.grants.device import DeviceLogin

    table = replace(table, content={"token_url": client.url, **table.content})
    fields = read_fields(table, DeviceLogin, leave_out={"client", "client_id", "show"})
    table.check_all_known()
    for key in ("url", "token_url"):
        fields[key] = base.join(table, key, fields[key])
    login: DeviceLogin = build(
        table,
        DeviceLogin,
        client=cast("OAuth2Client", endpoint),
        client_id=client_id,
        **fields,
    )
    return login


def _get_client_id(profile: Table, client: OAuth2Endpoint, purpose: str) -> str:
    if client.client_id is None:
        raise profile.error("refresh.client_id", f"is missing: {purpose} needs it", "add it")
    return client.client_id


def _read_logout(
    profile: Table,
    preset: presets.Preset,
    endpoint: Endpoint | None,
    carrier: Carrier,
    base: _Base,
) -> tuple[Logout | None, str | None]:
    """Return how the server is told, and the page that ends the session in the browser."""
    given = profile.table("logout")
    if given is None:  # also with a preset: not every server has its logout switched on
        return None, None
    from requests_jwt_refresh.grants.revocation import Logout

    table, documented = given, _fill(given, preset, preset.logout, endpoint)
    page = table.text("end_session_url", None)
    if page is not None:
        client = _check_oauth2(table, "end_session_url", endpoint)
        _get_client_id(profile, client, "the page that ends the session")
        page = base.join(table, "end_session_url", page)
        if {*table.content} == {"end_session_url"} and not documented.get("url"):
            return None, page
    fields = documented | read_fields(table, Logout, leave_out={"url", "client", "attach"})
    url = _read_url(table, fields.pop("url", None), base)
    if fields.get("send") == "oauth2":
        _check_oauth2(table, "send", endpoint)
        fields["client"] = endpoint
    if not fields.get("method", "POST").isalpha():
        raise table.error("method", "is no HTTP method such as 'POST'", "write one")
    table.check_all_known()
    build(table, check_json, fields.get("extra", {}))
    build(table, check_headers, fields.get("headers", {}))
    return Logout(url, **fields).bind(endpoint, carrier), page


def _read_url(table: Table, usual: str | None, base: _Base) -> str:
    """Return the absolute URL of a login or logout; `usual` is the one that is documented."""
    url = table.text("url") if usual is None else table.text("url", usual)
    return base.join(table, "url", url)


def _fill(
    table: Table,
    preset: presets.Preset,
    documented: Mapping[str, Any],
    endpoint: Endpoint | None,
) -> dict[str, Any]:
    """Return what a preset's documentation has and the table does not, for this endpoint.

    It is the endpoint's own server, which may want the same headers. Raises ProfileError for what
    the endpoint does not say, and for a secret, which would have to stand there.
    """
    if not documented:
        return {}
    plain = endpoint.endpoint if isinstance(endpoint, WithSecrets) else endpoint
    open_keys = {key: value for key, value in documented.items() if key not in table.content}
    found: dict[str, Any] = build(table, preset.fill_in, open_keys, plain)
    headers = {**getattr(plain, "headers", {}), **found.get("headers", {})}
    if headers and "headers" not in table.content:
        found["headers"] = headers
    if PLACEHOLDER not in repr(found):
        return found
    raise table.error(
        "",
        f"{table.name} needs what [refresh] keeps secret, and cannot read it elsewhere",
        'if it is public, write { public = "VALUE" } in its place',
    )


def _check_oauth2(table: Table, key: str, endpoint: Endpoint | None) -> OAuth2Endpoint:
    plain = endpoint.endpoint if isinstance(endpoint, WithSecrets) else endpoint
    if isinstance(plain, OAuth2Endpoint):
        return plain
    raise table.error(
        key,
        "is for OAuth 2.0 servers: the profile's refresh.kind is a different one",
        "remove it, or set refresh.kind to 'oauth2'",
    )
