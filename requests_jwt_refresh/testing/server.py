"""A real token server on 127.0.0.1: rotation, reuse detection, faults on demand, exact counters.

```python
with AuthServer(lifetime=2.0) as server:
    token = server.login()  # tokens, as after a login
    server.expire()  # the API says 401 from now on
    server.fail(Status(503, retry_after=1))  # the next refresh fails
    assert requests.post(server.refresh_url).status_code == 503
    with server.gate(on="refresh") as gate:  # the next ones wait here
        ThreadPoolExecutor().submit(requests.post, server.refresh_url)
        gate.wait_for(1)
    assert server.counters.refreshes == 2
```

It speaks HTTP/1.1 with keep-alive and needs the standard library only. It implements RFC 6749
§4.3 (passwords), §6 (refreshing), §10.4 (rotation and reuse detection), RFC 6750 (bearer tokens),
RFC 7009 (revocation) and RFC 8628 (devices), with ``openid=True`` OpenID Connect, too; access
tokens are JWTs (RFC 7519) signed with HS256, whose expiry the server judges by
requests_jwt_refresh.clock, as the library does. Faults that wait (Delay, Trickle) and gates keep
the machine's own time.

The parts, each importing only those before it: validation.py, values.py, faults.py, gates.py,
fault_plan.py, paths.py, shapes.py and likes/ (known servers, as data), signing.py, rendering.py,
options.py, devices.py (device codes), clients.py and authorizations.py (OpenID clients and codes),
ledger.py (tokens), reading.py, checks.py, routes.py, like_routes.py, metadata.py, pages.py,
authorize.py and openid.py (OpenID Connect), user_errors.py, connection.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from requests_jwt_refresh.testing.connection import Listener, base_url, start_thread
from requests_jwt_refresh.testing.fault_plan import FaultPlan, PlannedFault
from requests_jwt_refresh.testing.gates import Gate, validate_target
from requests_jwt_refresh.testing.ledger import Ledger
from requests_jwt_refresh.testing.options import ServerOptions, note_given
from requests_jwt_refresh.testing.paths import LOGOUT_PATH
from requests_jwt_refresh.testing.proofs import require_joserfc
from requests_jwt_refresh.testing.rendering import Values, make_query, make_token
from requests_jwt_refresh.testing.signing import make_csrf
from requests_jwt_refresh.testing.validation import check_user, check_user_code
from requests_jwt_refresh.tokens import Token, describe_kind

if TYPE_CHECKING:
    import threading
    from collections.abc import (  # inherited fields', for tools that read annotations
        Mapping,  # noqa: F401
        Sequence,  # noqa: F401
    )
    from typing import Any, Literal  # noqa: F401 - likewise

    from typing_extensions import Self

    from requests_jwt_refresh.authorization import (
        WirePlace,  # noqa: F401 - an inherited field, for tools that read annotations
    )
    from requests_jwt_refresh.testing.faults import (
        Fault,
        Status,  # noqa: F401 - an inherited field, for tools that read annotations
    )
    from requests_jwt_refresh.testing.shapes import Ask
    from requests_jwt_refresh.testing.values import Counters, RecordedRequest, Target


_POLL_SECONDS = 0.02  # between two looks of the listener whether it is to stop


@note_given
@dataclass(kw_only=True, eq=False, repr=False)
class AuthServer(ServerOptions):
    """A token server and the API it guards, on a free port of 127.0.0.1, until the block ends.

    ```python
    with AuthServer(lifetime=60) as server:
        adapter = mount(session, server.url, JSONEndpoint("/auth/refresh"), MemoryStore())
        adapter.set_token(server.login())
        server.expire()
        assert session.get("/api/users").status_code == 200
        assert server.counters.rotated == 1
    ```

        POST /auth/login    user name and password in JSON, as a form or as Basic; "wrong" is the
                            wrong password (login_path, username_field, password_field)
        POST /auth/refresh  the refresh token in JSON, as a form or in Authorization: Bearer
                            (refresh_path, request_field)
        POST /auth/logout   revokes the refresh token's family
        POST /auth/revoke   the same as RFC 7009 has it: a form with token, always 200
        POST /auth/device   starts a device authorization (RFC 8628): a form with client_id
        POST /auth/token    a form with grant_type: password, or a device code being polled
        /public/...         echoes the request, no token needed
        /status/NNN         that status; needs a token (attach), as all that follows
        /redirect?to=URL    redirects, with &status=302 or another
        /api/..., the rest  echoes method, path, query, the body's size and sha256, user

    Options (see ServerOptions) are attributes, and may be changed between requests. A name that is
    none of them is an AttributeError, which has the nearest one; a subclass may have others.

    **Your own API.** `login_path`, `refresh_path` and the names of fields are options, and so are
    `attach`, which says where API requests carry their access token, `expired`, which answers one
    that has expired, and `refused`, which answers a refresh token that is not good:

    ```python
    with AuthServer(
        attach=header("X-Session"),
        refused=Status(400, body=b'{"error": "LOG_IN_AGAIN"}'),
        login_path="/session",
        username_field="user",
    ) as server:
        login = PasswordLogin("/session", "alice", "right", username_field="user")
        endpoint = JSONEndpoint("/auth/refresh", rejected=json_field("error", "LOG_IN_AGAIN"))
        attach = header("X-Session")
        with requests.Session() as other:
            mount(other, server.url, endpoint, MemoryStore(), attach=attach, login=login)
            assert other.get("/api/users").json()["user"] == "alice"
        assert server.requests[-1].headers["X-Session"] == server.requests[-1].access
    ```

    With ``refresh_path="/auth/token"`` that path takes refresh tokens as well. To faults, gates and
    counters each request there is what its grant says: "login" for a password or a device code,
    "refresh" for all else.

    **OpenID Connect.** With ``openid=True`` it is an OpenID provider, too, and its API leads to it:

    ```python
    import threading


    def visit(url):  # stands for the browser of a person
        threading.Thread(target=requests.get, args=[url]).start()


    with AuthServer(openid=True, consent=True) as server:
        endpoint = OAuth2Endpoint("/auth/token", server.client_id)
        login = BrowserLogin(server.url, server.client_id, open=visit)
        with requests.Session() as other:
            mount(other, server.url, endpoint, MemoryStore(), login=login)
            assert other.get("/api/users").status_code == 200
        assert server.counters.authorizations == 1
    ```

        GET  /.well-known/openid-configuration         what it says of itself (Discovery §4)
        GET  /.well-known/oauth-authorization-server   the same (RFC 8414)
        GET  /.well-known/oauth-protected-resource/... the API: any path of it (RFC 9728)
        POST /auth/register     registers a client (RFC 7591)
        GET  /auth/authorize    shows a person the page to log in and to consent; PKCE is required
        POST /auth/token        trades codes, device codes and refresh tokens in, for forms alone
        POST /auth/device       as above; its page, /public/device, asks a person
        GET  /auth/userinfo     who it is; needs a token
        GET  /auth/end-session  logs the browser out; tokens live on (RP-Initiated Logout)

    The API's 401 names its document in ``resource_metadata`` (RFC 9728 §5.1). Clients are those
    that have registered, and `client_id` with `client_secret`, which is None here unless given: a
    public client. Each logs in at the token endpoint, at /auth/device and at /auth/revoke. A code
    is good once, for 60 s; its second use revokes the tokens of the first. ID tokens are signed
    with HS256: with the client's secret, with `signing_key` for a public client. Every user but
    "" may log in, with every password but "" and "wrong"; a browser that has logged in is known
    by a cookie, and what was consented to without ``prompt=consent`` is not asked again.

    Whatever a server may do wrong is an option: another `issuer`, no ``offline_access``
    (`refresh_tokens`), form_post alone (`response_modes`), a `consent` that is refused. What else
    it is to say other than the truth stands in `metadata`, `resource_metadata`, `callback_fields`
    and `id_token_claims`:

    ```python
    server.callback_fields = {"state": "of another login"}
    server.id_token_claims = {"nonce": None}  # it is left out
    server.metadata = {"registration_endpoint": None}
    server.fail(Status(404), on="discovery", times=None)  # it says nothing at all
    ```

    To faults and gates these are requests of kind "discovery", "register", "authorize" and
    "end_session"; a code is traded in by one of kind "login".

    **Known servers.** With `like` it is one of these instead, from its documentation: its paths,
    fields, units, statuses and headers, its words for "expired", "refused" and "not so often".

    ```python
    with AuthServer(like="github") as server, requests.Session() as other:
        url = server.refresh_url  # in place of github.com's
        github = presets.GitHub(server.client_id, server.client_secret, url=url)
        adapter = mount(other, server.url, github, MemoryStore())
        adapter.set_token(server.login())
        server.expire()  # 401 "Bad credentials"
        assert other.get("/user").status_code == 200
        server.expire()
        server.revoke()  # a refresh is answered with 200 and "error": "bad_refresh_token"
        assert other.get("/user").status_code == 401
    ```

    - Python: simplejwt, djoser, dj-rest-auth, flask-jwt-extended, flask-jwt-extended-cookies,
      flask-appbuilder, authx, fastapi-template
    - other frameworks: spring-boot, nestjs, express, aspnetcore-identity, laravel-jwt
    - clouds and platforms: supabase, firebase, cognito, nhost (Hasura), bluesky, matrix, directus,
      pocketbase
    - OAuth 2.0: auth0, okta, keycloak, xero, quickbooks, spotify, google, tesla, home-assistant,
      entra-id, github, slack, strava, fitbit, bluesky-oauth, shopify, salesforce, amazon-sp-api,
      hubspot, zoho
    - infrastructure: vault, proxmox
    - kinds without a name: sliding (each good answer has a newer access token in X-Renewed-Token),
      epoch-ms and rfc3339 (``expires_at`` in milliseconds, as a date), graphql-list (200, the error
      at index 1 of ``errors``; a list of results to a list), both-tokens (a refresh wants both),
      session-header (X-Auth-Token, and no refresh), client-credentials (RFC 6749 §4.4, RFC 7523 and
      RFC 8693 at one endpoint; the assertion "wrong" is refused)

    `refresh_url`, `login_url` and `logout_url` say where each takes its requests: give a preset
    with a whole URL of its own this one, ``url=server.refresh_url``. At proxmox and
    fastapi-template the base URL is `url`, without /api2/json or /api/v1. It is as strict as the
    server: JSON for a form, another scheme, a missing API key or CSRF header are answered as
    there. Where it cannot know better, it is stricter. The client is `client_id` with
    `client_secret`, the API key is `api_key`; RecordedRequest.access is the access token wherever
    the server looks for it. A known server rotates, repeats and forgives as there (`rotate`,
    `grace`, `detect_reuse`, `lifetime`); what you give yourself goes before it.

    Where the access token itself is traded in (laravel-jwt, pocketbase, vault, proxmox), revoke()
    refuses that, and expire() makes it impossible but at laravel-jwt; family_alive() goes by the
    access token. At client-credentials each grant counts as a refresh, and revoke() refuses the
    assertions that were handed in before. At bluesky-oauth each request needs a proof of possession
    with a nonce, which the extra ``jose`` checks; a login is bound to the key that it was first
    used with.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self._shape is not None and self._shape.dpop:
            require_joserfc()
        self._ledger = Ledger(self)
        self._fault_plan = FaultPlan()
        self._address = ("127.0.0.1", 0)
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        state = "stopped" if self._listener is None else self.url
        return f"<AuthServer {state}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; after a stop, on the same port and with the same tokens as before."""
        if self._listener is not None:
            return
        self._fault_plan.start()
        self._listener = Listener(self._address, self, self._ledger, self._fault_plan)
        self._address = self._listener.address
        self._thread = start_thread(self._listener.serve_forever, _POLL_SECONDS)

    def stop(self) -> None:
        """Close every socket and join every thread, whatever hangs or waits at a gate.

        Faults and gates are gone after it; tokens and counters stay.
        """
        if self._listener is None or self._thread is None:
            return
        self._fault_plan.stop()
        self._listener.stop()
        self._thread.join()
        self._listener = self._thread = None

    close = stop

    @property
    def url(self) -> str:
        """The server's URL, without a slash at the end. RuntimeError before the first start."""
        if self._address[1] == 0:
            raise RuntimeError("the server was never started: use `with AuthServer() as server:`")
        return base_url(self._address)

    @property
    def refresh_url(self) -> str:
        """Where tokens are refreshed, with its query (an API key, a grant type) if it has one.

        Raises ValueError if this server has no refresh.
        """
        if self._shape is None:
            return self.url + self.refresh_path
        ask = self._find_ask("refresh", self._shape.refresh)
        return self.url + self.refresh_path + make_query(ask, self.api_key)

    @property
    def login_url(self) -> str:
        """Where users log in, as refresh_url has it. The user's name may stand in it: {username}.

        Raises ValueError if this server has no login.
        """
        if self._shape is None:
            return self.url + self.login_path
        ask = self._find_ask("login", self._shape.login)
        return self.url + ask.path.replace("*", "{username}") + make_query(ask, self.api_key)

    @property
    def logout_url(self) -> str:
        """Where users log out, as refresh_url has it.

        Raises ValueError if this server has no logout.
        """
        if self._shape is None:
            return self.url + LOGOUT_PATH
        ask = self._find_ask("logout", (self._shape.logout,) if self._shape.logout else ())
        return self.url + ask.path + make_query(ask, self.api_key)

    def _find_ask(self, kind: str, asks: tuple[Ask, ...]) -> Ask:
        if not asks:
            raise ValueError(f"a server like {self.like!r} has no {kind}")
        return asks[0]

    def login(self, user: str = "alice") -> Token:
        """Return the tokens of a new family, without a request. They come without expires_at.

        A known server's come with the rest of its response in Token.extra: ``cookies`` and the
        like. The refresh token is None where that server has none. Raises TypeError or ValueError
        for what is no name.
        """
        check_user(user)
        grant = self._ledger.login(user)
        if self._shape is None:
            return Token(grant.access, grant.refresh)
        make = partial(make_csrf, self.signing_key)
        return make_token(self._shape, Values(grant, make, self._shape.refresh_lifetime))

    def expire(self) -> None:
        """Let every access token given so far expire now."""
        self._ledger.expire()

    def revoke(self) -> None:
        """Refuse every refresh token given so far. Access tokens live until they expire."""
        self._ledger.revoke_refresh_tokens()

    def approve(self, user_code: str, user: str = "alice") -> None:
        """Approve the device, as `user` does at the verification page (RFC 8628 §3.3).

        The latest of approve() and deny() holds. Raises ValueError for a user code never given,
        TypeError or ValueError for what is no code or no name.
        """
        check_user_code(user_code)
        check_user(user)
        self._ledger.devices.approve(user_code, user)

    def deny(self, user_code: str) -> None:
        """Deny the device, as the user at the verification page may (RFC 8628 §3.3).

        Raises ValueError for a user code never given, TypeError for what is none.
        """
        check_user_code(user_code)
        self._ledger.devices.deny(user_code)

    def family_alive(self, token: Token) -> bool:
        """Whether the refresh token's family has not been revoked.

        It may be any refresh token of the family. Raises ValueError for one never given, and
        TypeError for what is no Token.
        """
        if not isinstance(token, Token):
            raise TypeError(f"token must be a Token, not {describe_kind(token)}")
        return self._ledger.is_family_alive(token.refresh or token.access)

    @property
    def counters(self) -> Counters:
        """What was counted until now."""
        return self._ledger.counters()

    @property
    def requests(self) -> list[RecordedRequest]:
        """What was received until now, oldest first."""
        return self._ledger.requests()

    def fail(self, fault: Fault, on: Target = "refresh", times: int | None = 1) -> None:
        """Give the next `times` requests `fault` instead of their response.

        ```python
        server.fail(Status(503, retry_after=1))  # the next refresh
        server.fail(Hang(), on=lambda path: path == "/api/users", times=None)
        ```

        Args:
            fault: what they get.
            on: which requests: a kind such as ``"refresh"`` or ``"api"``, or a predicate on the
                path.
            times: how many; None for all of them, until clear_faults().

        Faults planned for the same requests are played one after the other. One without end is
        played when none with a number is left, until another without end is planned for the same
        `on`.

        Raises TypeError or ValueError for a fault, a target or a number that makes no sense.

        """
        self._fault_plan.add_fault(PlannedFault(fault, on, times))

    def clear_faults(self) -> None:
        """Forget all faults, and end those that are being played."""
        self._fault_plan.clear_faults()

    heal = clear_faults  # the name of 0.1

    def gate(self, on: Target = "refresh") -> Gate:
        """Return a gate at which requests wait from now until the ``with`` block ends.

        ```python
        with server.gate(on="api") as gate:
            threads = ThreadPoolExecutor(32)
            answers = [threads.submit(client.get, "/api/users") for _ in range(32)]
            gate.wait_for(32)
            server.expire()  # of all 32, before any is answered
        assert {each.result().status_code for each in answers} == {200}
        assert server.counters.rotated == 1
        ```

        `on` is as in fail(). Raises TypeError or ValueError for a target that makes no sense.
        """
        return self._fault_plan.add_gate(validate_target(on))


def list_errors(server: AuthServer) -> list[str]:
    """Return what the test's own faults and predicates have raised, as texts without tokens."""
    return server._ledger.errors()  # noqa: SLF001 - no public name, which a subclass may want
