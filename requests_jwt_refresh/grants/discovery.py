"""What an authorization server says of itself, which one an API trusts, and becoming its client.

OpenID Connect Discovery 1.0 and RFC 8414, RFC 9728, RFC 7591. documents.py does the asking.
"""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from requests_jwt_refresh.errors import DiscoveryError, InvalidURL
from requests_jwt_refresh.frozen_json import FrozenDict
from requests_jwt_refresh.grants.browser_support import list_unsupported
from requests_jwt_refresh.grants.documents import Document, DocumentClient, describe_status
from requests_jwt_refresh.matching import find, parse_challenges, parse_json
from requests_jwt_refresh.urls import describe_url, redact, validate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import requests
    from typing_extensions import Self

    from requests_jwt_refresh.responses import TokenResponse

DISCOVERY_TIMEOUT: Final = 10.0  # seconds, for all that is asked together

_OPENID: Final = "openid-configuration"
_OAUTH: Final = "oauth-authorization-server"
_RESOURCE: Final = "oauth-protected-resource"
_WELL_KNOWN: Final = re.compile(rf"/\.well-known/({_OPENID}|{_OAUTH}|{_RESOURCE})(?=[/?#]|$)")
_URLS: Final = {
    "authorization_url": "authorization_endpoint",
    "token_url": "token_endpoint",
    "device_url": "device_authorization_endpoint",  # RFC 8628 §4
    "revocation_url": "revocation_endpoint",
    "end_session_url": "end_session_endpoint",  # OpenID Connect RP-Initiated Logout §2.1
    "registration_url": "registration_endpoint",
    "jwks_url": "jwks_uri",
    "userinfo_url": "userinfo_endpoint",
}
_CLIENT_AUTHS: Final = {
    "client_secret_basic": "basic",
    "client_secret_post": "post",
    "none": "none",
    "private_key_jwt": "private_key_jwt",
}
# Where a server says nothing (RFC 8414 §2).
_USUAL_CLIENT_AUTHS: Final = ("client_secret_basic",)
_USUAL_GRANTS: Final = ("authorization_code", "implicit")
_USUAL_MODES: Final = ("query", "fragment")

_PLAIN: Final = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~{}/-]*)?")
_PLACEHOLDER: Final = re.compile(r"\{[^{}]*\}")
_OFFLINE: Final = "offline_access"  # OpenID Connect Core §11
_REGISTERED: Final = (200, 201)  # RFC 7591 §3.2.1, and what some servers send
_NEEDS_TOKEN: Final = (401, 403)
_TEXT: Final = re.compile(r"[\x20-\x7e]{1,4096}")  # RFC 6749 appendix A.1, A.2
_REGISTRATION_ERRORS: Final = {  # RFC 7591 §3.2.2
    "invalid_redirect_uri": "give another redirect_uri",
    "invalid_client_metadata": "give another name, scope or redirect_uri",
    "invalid_software_statement": "register the client by hand",
    "unapproved_software_statement": "register the client by hand",
}
_BY_HAND: Final = "register the client by hand, where the server's users do, and give its client_id"


@dataclass(frozen=True)
class ServerMetadata:
    """What an authorization server says of itself (OpenID Connect Discovery §3, RFC 8414 §2).

    ```python
    with AuthServer(openid=True) as server:  # stands for https://id.example.com
        metadata = ServerMetadata.discover(server.url)
        endpoint = OAuth2Endpoint(metadata.token_url, "my-client")
    ```

    It may be made by hand, too, for a server that says nothing. A URL is None where the server has
    no such endpoint.
    """

    issuer: str
    """As the server writes it: what `iss` has to be equal to."""
    _: KW_ONLY
    authorization_url: str | None = None
    """The page on which a person logs in (RFC 6749 §3.1)."""
    token_url: str | None = None
    """For tokens: what an `OAuth2Endpoint` asks (RFC 6749 §3.2)."""
    device_url: str | None = None
    """For devices without a browser (RFC 8628)."""
    revocation_url: str | None = None
    """For a logout (RFC 7009)."""
    end_session_url: str | None = None
    """The page that ends the session in the browser (OpenID Connect RP-Initiated Logout)."""
    registration_url: str | None = None
    """Where a client can register itself (RFC 7591)."""
    jwks_url: str | None = None
    """The keys with which the server signs (RFC 7517)."""
    userinfo_url: str | None = None
    """For what it knows of the user (OpenID Connect Core §5.3)."""
    client_auths: tuple[str, ...] = ("basic",)
    """How clients authenticate: those of ``basic``, ``post``, ``none`` and ``private_key_jwt``."""
    scopes: tuple[str, ...] | None = None
    """The scopes that it tells of; None if it does not say."""
    grant_types: tuple[str, ...] = _USUAL_GRANTS
    """What may be traded in for tokens, as it stands in ``grant_type``."""
    response_modes: tuple[str, ...] = _USUAL_MODES
    """How it hands a code to a browser: ``query``, ``fragment``, ``form_post``."""
    pkce_methods: tuple[str, ...] = ()
    """Those of RFC 7636: ``S256``, ``plain``. Some servers have them and do not say so."""
    sends_iss: bool = False
    """Whether `iss` comes with each authorization response (RFC 9207)."""
    is_openid: bool = False
    """Whether it is an OpenID provider, and not an OAuth 2.0 server alone."""
    takes_offline_access: bool = False
    """Whether the scope ``offline_access`` is there, which asks for a refresh token."""
    unsupported: tuple[str, ...] = ()
    """What it requires of logins in a browser and this library does not have, for a person."""

    @classmethod
    def discover(
        cls,
        issuer: str,
        *,
        session: requests.Session | None = None,
        allow_http: bool = False,
        timeout: float = DISCOVERY_TIMEOUT,
        typed: str | None = None,
    ) -> Self:
        """Return what the server says of itself at `issuer`.

        Its document is looked for where OpenID Connect Discovery §4 and RFC 8414 §3 have it. The
        issuer in it has to be the one asked for, but for a slash at the end. Each URL in it has to
        be https, or of this machine. No redirect is followed, and 64 KiB are read at most.

        Args:
            issuer: the server's URL, as it calls itself.
            session: whose proxies, CA and client certificate are used; a plain one if omitted.
            allow_http: accept http URLs of other machines.
            timeout: seconds for all requests together.
            typed: the URL that a person has given, if `issuer` was found by asking there. If it
                is not within a local network or on this machine, nothing may lead there.

        Raises InvalidURL or InsecureURL for `issuer` itself, and DiscoveryError.

        """
        asked = _read_issuer(issuer, allow_http=allow_http)
        client = DocumentClient(
            typed or asked, session=session, allow_http=allow_http, timeout=timeout
        )
        document = _find_document(client, asked)
        return cls._read(document, client)

    @classmethod
    def _read(cls, document: Document, client: DocumentClient) -> Self:
        urls = {name: document.url_at(key, client) for name, key in _URLS.items()}
        if urls["token_url"] is None:
            raise DiscoveryError(f"{document.name('token_endpoint')} is missing")
        scopes = document.words("scopes_supported")
        auths = document.words("token_endpoint_auth_methods_supported") or _USUAL_CLIENT_AUTHS
        signs_id_tokens = bool(document.words("id_token_signing_alg_values_supported"))
        return cls(
            issuer=document.text("issuer") or "",
            **urls,
            client_auths=tuple(_CLIENT_AUTHS[each] for each in auths if each in _CLIENT_AUTHS),
            scopes=scopes,
            grant_types=document.words("grant_types_supported") or _USUAL_GRANTS,
            response_modes=document.words("response_modes_supported") or _USUAL_MODES,
            pkce_methods=document.words("code_challenge_methods_supported") or (),
            sends_iss=document.flag("authorization_response_iss_parameter_supported"),
            is_openid=signs_id_tokens or "openid" in (scopes or ()),
            takes_offline_access=_OFFLINE in (scopes or ()),
            unsupported=list_unsupported(document),
        )


def choose_scope(metadata: ServerMetadata, wanted: str | None = None) -> tuple[str, bool]:
    """Return the scope to ask for, and whether ``prompt=consent`` goes with it.

    ``openid`` if the server is an OpenID provider, ``offline_access`` if it has that, for a refresh
    token, and what is `wanted`. OpenID providers leave offline_access out without a consent
    (OpenID Connect Core §11).

    >>> choose_scope(ServerMetadata("https://h", is_openid=True), "email openid")
    ('openid email', False)
    """
    usual = ("openid",) if metadata.is_openid else ()
    offline = (_OFFLINE,) if metadata.takes_offline_access else ()
    scopes = dict.fromkeys((*usual, *offline, *(wanted or "").split()))
    return " ".join(scopes), metadata.is_openid and _OFFLINE in scopes


# --- The document of an authorization server -----------------------------------------------------


def _read_issuer(issuer: str, *, allow_http: bool) -> str:
    """Return an issuer as requests would send it. Raises InvalidURL."""
    url = validate(issuer, what="the issuer", allow_http=allow_http)
    if "?" in url or "#" in url:  # RFC 8414 §2
        raise InvalidURL(
            f"the issuer {redact(url)} has a query or a fragment", "write it without them"
        )
    return drop_well_known(url)


def drop_well_known(url: str) -> str:
    """Return the URL of an issuer or an API; `url` may be that of its document.

    >>> drop_well_known("https://h/.well-known/oauth-protected-resource/v1")
    'https://h/v1'
    """
    found = _WELL_KNOWN.search(url)
    return url[: found.start()] + url[found.end() :] if found else url


def _list_places(issuer: str) -> Iterator[str]:
    """Yield where the document of an issuer may be, as requests would send it.

    A path comes before the well-known part (OpenID Connect Discovery §4.1) or after it (RFC 8414
    §3.1). Servers have either document at either place.
    """
    parts = urlsplit(issuer)
    path = parts.path.removesuffix("/")
    site = parts._replace(path="").geturl()
    yield f"{site}{path}/.well-known/{_OPENID}"
    yield f"{site}/.well-known/{_OAUTH}{path}"
    if path:
        yield f"{site}/.well-known/{_OPENID}{path}"
        yield f"{site}{path}/.well-known/{_OAUTH}"


def _find_document(client: DocumentClient, issuer: str) -> Document:
    """Return the first document that is the issuer's own. Raises DiscoveryError."""
    failures: list[DiscoveryError] = []
    for place in _list_places(issuer):
        response = client.get(place, "server metadata")
        try:
            document = Document.read(response, place)
            _check_issuer(document, issuer)
        except DiscoveryError as error:
            failures.append(error)
        else:
            return document
    raise _join_failures(
        f"{describe_url(issuer)} says nothing of itself that can be used",
        failures,
        "check the issuer, or give the server's endpoints yourself",
    )


def _join_failures(what: str, failures: Sequence[DiscoveryError], remedy: str) -> DiscoveryError:
    """Return one error for what was tried in vain, with `remedy` if none of them has its own."""
    own = (each.remedy for each in failures if each.remedy != DiscoveryError.remedy)
    causes = "; ".join(each.cause for each in failures)
    return DiscoveryError(f"{what}: {causes}", next(own, remedy))


def _check_issuer(document: Document, asked: str) -> None:
    """Raise DiscoveryError for the document of another issuer (RFC 8414 §3.3)."""
    named = document.text("issuer")
    if named is None:
        raise DiscoveryError(f"{document.name('issuer')} is missing")
    if not _is_same(named, asked):
        shown = _show_identifier(named)
        way = f"if {shown} is the server that you mean, give that"
        if _PLACEHOLDER.search(named):  # as in a document that tenants share
            way = f"give the issuer of your tenant, with its id in place of {{...}}: {shown}"
        raise DiscoveryError(
            f"{document.name('issuer')} is another one: {shown}", f"nothing of it was used; {way}"
        )


def _show_identifier(named: str) -> str:
    """Return what a server calls itself, whole if it can hold no secret: a person may give it."""
    return named if _PLAIN.fullmatch(named) else describe_url(named)


def _is_same(named: str, asked: str) -> bool:
    """Whether two identifiers are equal, but for a slash at the end."""
    return named.removesuffix("/") == asked.removesuffix("/")


# --- The document of an API ----------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """The authorization server that an API trusts."""

    issuer: str
    resource: str
    """The API, as it writes itself (RFC 8707 §2)."""
    tried: tuple[str, ...]
    """The URLs that were asked, in this order."""
    scopes: tuple[str, ...] = ()
    """The scopes that the API tells of."""
    wants_dpop: bool = False
    """Whether it takes only tokens that are bound to a key (RFC 9449)."""
    takes_header: bool = True
    """Whether it takes the token in a header (RFC 6750 §2.1)."""


def find_issuer(
    api_url: str,
    *,
    session: requests.Session | None = None,
    allow_http: bool = False,
    timeout: float = DISCOVERY_TIMEOUT,
) -> Found:
    """Return the authorization server that the API at `api_url` trusts (RFC 9728).

    The API is asked without a token: its challenge names the document (§5.1). Else the document
    is looked for at its well-known place (§3.1), that of the whole host included. The resource in
    it has to be the one asked for. The rules of `ServerMetadata.discover` hold, with `api_url` as
    the URL that a person gave.

    Raises InvalidURL for `api_url` itself, and DiscoveryError, which says what was tried.
    """
    asked = validate(api_url, what="the API's URL", allow_http=allow_http)
    asked = validate(drop_well_known(asked), what="the API's URL", allow_http=allow_http)
    client = DocumentClient(asked, session=session, allow_http=allow_http, timeout=timeout)
    response = client.get_head(asked, "API")
    tried, failures = [asked], list[DiscoveryError]()
    named = _find_named_document(response)
    if named is None:
        answered = f"{describe_url(asked)} answered {describe_status(response.status)}"
        failures.append(
            DiscoveryError(f"{answered} without a challenge that has resource_metadata")
        )
    for place, resource in _list_resource_places(client, asked, named):
        tried.append(place)
        answer = client.get(place, "resource metadata")
        try:
            document = Document.read(answer, place)
            found = _read_resource(document, resource, client)
        except DiscoveryError as error:
            failures.append(error)
        else:
            return replace(found, tried=tuple(tried))
    raise _join_failures(
        f"{describe_url(asked)} does not say which server logs its users in",
        failures,
        "give the issuer that the API's documentation names",
    )


def _find_named_document(response: TokenResponse) -> str | None:
    """Return the URL that a challenge names, whatever its scheme (RFC 9728 §5.1)."""
    challenges = parse_challenges(response.headers.get("WWW-Authenticate") or "")
    found = (parameters.get("resource_metadata") for _, parameters in challenges)
    return next(filter(None, found), None)


def _list_resource_places(
    client: DocumentClient, api_url: str, named: str | None
) -> Iterator[tuple[str, str]]:
    """Yield where the document may be, and the resource that has to be in it."""
    if named is not None:
        source = f"{describe_url(api_url)}: the challenge's resource_metadata"
        yield client.check(named, source), api_url
    parts = urlsplit(api_url)
    site = parts._replace(path="", query="", fragment="").geturl()
    path = parts.path.removesuffix("/")
    query = f"?{parts.query}" if parts.query else ""
    yield f"{site}/.well-known/{_RESOURCE}{path}{query}", api_url
    if path or query:
        yield f"{site}/.well-known/{_RESOURCE}", site


def _read_resource(document: Document, resource: str, client: DocumentClient) -> Found:
    """Return what a resource's document says, with the first of its servers (RFC 9728 §2).

    Raises DiscoveryError if it names none, and for the document of another resource (§3.3).
    """
    named = document.text("resource")
    if named is None:
        raise DiscoveryError(f"{document.name('resource')} is missing")
    if not _is_same(named, resource):
        shown = _show_identifier(named)
        raise DiscoveryError(
            f"{document.name('resource')} is another one: {shown}, not {describe_url(resource)}",
            f"nothing of it was used; if {shown} is the API that you mean, give that",
        )
    servers = document.words("authorization_servers")
    if not servers:
        raise DiscoveryError(f"{document.name('authorization_servers')} is missing")
    client.check(servers[0], document.name("authorization_servers"))
    methods = document.texts("bearer_methods_supported")
    return Found(
        servers[0],
        named,
        (),
        scopes=document.words("scopes_supported") or (),
        wants_dpop=document.flag("dpop_bound_access_tokens_required"),
        takes_header=methods is None or "header" in methods,
    )


# --- Becoming a client ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Client:
    """A client that was registered (RFC 7591 §3.2.1)."""

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    """None for a public client, which was asked for."""
    registration: Mapping[str, Any] = field(default_factory=FrozenDict, repr=False, compare=False)
    """All that the server answered. It may hold more secrets."""

    @property
    def client_auth(self) -> str:
        """How it authenticates, in our words; ``none`` without a secret."""
        if self.client_secret is None:
            return "none"
        method = self.registration.get("token_endpoint_auth_method")
        known = _CLIENT_AUTHS.get(method, "basic") if isinstance(method, str) else "basic"
        return known if known in ("basic", "post") else "basic"


def register_client(
    metadata: ServerMetadata,
    *,
    name: str,
    redirect_uris: Sequence[str] = (),
    scope: str | None = None,
    grant_types: Iterable[str] = ("authorization_code", "refresh_token"),
    session: requests.Session | None = None,
    allow_http: bool = False,
    timeout: float = DISCOVERY_TIMEOUT,
) -> Client:
    """Register a public client called `name` at the server (RFC 7591 §3.1), and return it.

    Sent once, never again: each time would make another client. The rules of
    `ServerMetadata.discover` hold. Raises DiscoveryError if the server registers none.
    """
    url = metadata.registration_url
    if url is None:
        raise DiscoveryError(f"{describe_url(metadata.issuer)} registers no clients", _BY_HAND)
    client = DocumentClient(
        metadata.issuer, session=session, allow_http=allow_http, timeout=timeout
    )
    url = client.check(url, "the registration endpoint")
    grants = list(grant_types)
    wanted = {
        "client_name": name,
        "application_type": "native",  # OpenID Connect Dynamic Client Registration §2
        "redirect_uris": list(redirect_uris),
        "grant_types": grants,
        "response_types": ["code"] if "authorization_code" in grants else [],
        "token_endpoint_auth_method": "none",
        **({"scope": scope} if scope else {}),
    }
    response = client.post(url, wanted, "registration endpoint")
    _check_registered(response, url)
    return _read_client(Document.read(response, url, ok=_REGISTERED))


def _check_registered(response: TokenResponse, url: str) -> None:
    """Raise the error for a refusal."""
    if response.status in _REGISTERED:
        return
    shown = f"{describe_url(url)} answered {describe_status(response.status)}"
    code = find(parse_json(response.body), "error")
    if isinstance(code, str) and code in _REGISTRATION_ERRORS:
        raise DiscoveryError(f"{shown} {code}", _REGISTRATION_ERRORS[code])
    if response.status in _NEEDS_TOKEN:
        raise DiscoveryError(f"{shown}: it does not register clients for anybody", _BY_HAND)
    raise DiscoveryError(shown, _BY_HAND)


def _read_client(document: Document) -> Client:
    texts = {name: document.text(name) for name in ("client_id", "client_secret")}
    for name, text in texts.items():
        if text is not None and not _TEXT.fullmatch(text):
            raise DiscoveryError(f"{document.name(name)} has characters that it may not have")
    client_id = texts["client_id"]
    if client_id is None:
        raise DiscoveryError(f"{document.name('client_id')} is missing")
    return Client(client_id, texts["client_secret"], FrozenDict(document.content))
