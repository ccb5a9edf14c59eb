"""The real servers, and how one of their users is served: what `tests/test_real_servers.py` plays.

``python -m tests.support.servers.kinds NAME URL FILE`` is another program of such a user.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from requests_jwt_refresh import (
    ClientCredentials,
    FileStore,
    JWTBearer,
    OAuth2Endpoint,
    Token,
    TokenExchange,
    cookie,
    mount,
)
from requests_jwt_refresh.presets import (
    Djoser,
    DJRestAuth,
    FlaskJWTExtended,
    FlaskJWTExtendedCookies,
    SimpleJWT,
)
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests_jwt_refresh import Endpoint

ACCOUNT = {"username": "alice", "password": "secret"}
OAUTH2_SECRET = "s3cr:t +100%"
ASSERTION_KEY = "only-for-tests-and-long-enough-for-hs256"


@dataclass(frozen=True)
class Kind:
    """A real server, and how one of its users is served."""

    app: str
    """For `running`."""
    endpoint: Callable[[str], Endpoint]
    """The endpoint, for a base URL."""
    log_in: Callable[[str], Token]
    """Return a login at a base URL; its access token has expired, and the server says so."""
    refuse: Callable[[str, Token], None] | None
    """Revoke a login's refresh token; None for grants that need none."""
    refresh: str
    """The path of its refresh endpoint, below `base`."""
    base: str = ""
    me: str = "/me"
    """A path that takes GET and POST, and answers what it got."""
    away: str = "/away"
    """A path that redirects to where ``?to=`` says."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """More options for mount()."""

    def mount(self, session: requests.Session, url: str, store: Any, **more: Any) -> Any:
        return mount(session, url, self.endpoint(url), store, **self.options, **more)


# --- djangorestframework-simplejwt and djoser ----------------------------------------------------


def post(url: str, **options: Any) -> requests.Response:
    response = requests.post(url, timeout=WAIT, **options)
    response.raise_for_status()
    return response


def log_in_simplejwt(url: str) -> Token:
    answer = post(f"{url}/api/token/expired-access/", json=ACCOUNT).json()
    return Token(answer["access"], answer["refresh"])


def log_in_djoser(url: str) -> Token:
    answer = post(f"{url}/auth/jwt/create/", json=ACCOUNT).json()
    return Token(expired_django_token(url), answer["refresh"])


def expired_django_token(url: str) -> str:
    access: str = requests.get(f"{url}/expired/", timeout=WAIT).json()["access"]
    return access


def blacklist(path: str) -> Callable[[str, Token], None]:
    def refuse(url: str, token: Token) -> None:
        post(url + path, json={"refresh": token.refresh})

    return refuse


# --- dj-rest-auth, its tokens in cookies ---------------------------------------------------------


def log_in_dj_rest_auth(url: str) -> Token:
    cookies = post(f"{url}/dj-rest-auth/login/", json=ACCOUNT).cookies.get_dict()
    refresh = cookies.pop("my-refresh-token")
    cookies.pop("my-app-auth")
    return Token(expired_django_token(url), refresh, extra={"cookies": cookies})


def log_out_dj_rest_auth(url: str, token: Token) -> None:
    post(f"{url}/dj-rest-auth/logout/", cookies={"my-refresh-token": token.refresh})


# --- Flask-JWT-Extended --------------------------------------------------------------------------


def log_in_flask(url: str) -> Token:
    answer = post(f"{url}/login?access_seconds=-1", json=ACCOUNT).json()
    return Token(answer["access_token"], answer["refresh_token"])


def revoke_flask(url: str, token: Token) -> None:
    headers = {"Authorization": f"Bearer {token.refresh}"}
    requests.delete(f"{url}/revoke", headers=headers, timeout=WAIT).raise_for_status()


def log_in_flask_cookies(url: str) -> Token:
    cookies = post(f"{url}/login/expired").cookies.get_dict()
    access, refresh = cookies.pop("access_token_cookie"), cookies.pop("refresh_token_cookie")
    return Token(access, refresh, extra={"cookies": cookies})


def revoke_flask_cookies(url: str, token: Token) -> None:
    headers = {"X-CSRF-TOKEN": token.extra["cookies"]["csrf_refresh_token"]}
    cookies = {"refresh_token_cookie": token.refresh}
    post(f"{url}/revoke", headers=headers, cookies=cookies)


# --- Authlib's OAuth 2.0 server ------------------------------------------------------------------


def log_in_oauth2(url: str) -> Token:
    answer = post(f"{url}/login").json()
    return expire_oauth2(url, Token(answer["access_token"], answer["refresh_token"]))


def log_in_client(url: str) -> Token:
    """Return what a client's own grant gives: an access token, and nothing to refresh it with."""
    form = {"grant_type": "client_credentials"}
    answer = post(f"{url}/token", data=form, auth=("app", "s3cr%3At%20%2B100%25")).json()
    return expire_oauth2(url, Token(answer["access_token"]))


def expire_oauth2(url: str, token: Token) -> Token:
    post(f"{url}/expire", data={"access": token.access})
    return token


def revoke_oauth2(url: str, token: Token) -> None:
    post(f"{url}/revoke", data={"refresh": token.refresh})


def sign_assertion(url: str, subject: str) -> str:
    from joserfc import jwt
    from joserfc.jwk import OctKey

    claims = {"iss": "app", "sub": subject, "aud": f"{url}/token", "exp": int(time.time()) + 60}
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(ASSERTION_KEY))


def make_assertions(url: str) -> JWTBearer:
    return JWTBearer("/token", lambda: sign_assertion(url, "alice"))


def make_exchange(url: str) -> TokenExchange:
    """Return an endpoint that trades in a token of another grant, made when it is asked for."""
    return TokenExchange(
        "/token",
        lambda: post(f"{url}/login").json()["access_token"],
        client_id="app",
        client_secret=OAUTH2_SECRET,
    )


KINDS = {
    "simplejwt": Kind(
        "simplejwt:app",
        lambda _: SimpleJWT(),
        log_in_simplejwt,
        blacklist("/api/token/blacklist/"),
        "/api/token/refresh/",
        me="/api/whoami/",
        away="/api/away/",
    ),
    "djoser": Kind(
        "django_cookies:app",
        lambda _: Djoser(),
        log_in_djoser,
        blacklist("/auth/jwt/blacklist/"),
        "/auth/jwt/refresh/",
        me="/header/me/",
        away="/header/away/",
    ),
    "dj-rest-auth": Kind(
        "django_cookies:app",
        lambda _: DJRestAuth(access=cookie("my-app-auth")),
        log_in_dj_rest_auth,
        log_out_dj_rest_auth,
        "/dj-rest-auth/token/refresh/",
        me="/cookie/me/",
        away="/cookie/away/",
        options={"attach": cookie("my-app-auth", csrf=("csrftoken", "X-CSRFToken"))},
    ),
    "dj-rest-auth, access in the header": Kind(
        "django_cookies:app",
        lambda _: DJRestAuth(),
        log_in_dj_rest_auth,
        log_out_dj_rest_auth,
        "/dj-rest-auth/token/refresh/",
        me="/cookie/me/",
        away="/cookie/away/",
    ),
    "flask-jwt-extended": Kind(
        "flasks:app", lambda _: FlaskJWTExtended(), log_in_flask, revoke_flask, "/refresh"
    ),
    "flask-jwt-extended-cookies": Kind(
        "flasks:app",
        lambda _: FlaskJWTExtendedCookies(),
        log_in_flask_cookies,
        revoke_flask_cookies,
        "/refresh",
        base="/cookies",
    ),
    "flask-jwt-extended-cookies, rotating": Kind(
        "flasks:app",
        lambda _: FlaskJWTExtendedCookies("/rotate"),
        log_in_flask_cookies,
        revoke_flask_cookies,
        "/rotate",
        base="/cookies",
    ),
    "refresh_token": Kind(
        "flasks:app",
        lambda _: OAuth2Endpoint("/token", "app", OAUTH2_SECRET),
        log_in_oauth2,
        revoke_oauth2,
        "/token",
        base="/oauth2",
    ),
    "client_credentials": Kind(
        "flasks:app",
        lambda _: ClientCredentials("/token", "app", OAUTH2_SECRET),
        log_in_client,
        None,
        "/token",
        base="/oauth2",
    ),
    "jwt-bearer": Kind(
        "flasks:app", make_assertions, log_in_client, None, "/token", base="/oauth2"
    ),
    "token-exchange": Kind(
        "flasks:app", make_exchange, log_in_client, None, "/token", base="/oauth2"
    ),
}


def call(name: str, url: str, path: str) -> None:
    """Make one request for each line that is read; print its status."""
    kind = KINDS[name]
    with requests.Session() as session:
        session.trust_env = False
        kind.mount(session, url, FileStore(path))
        print("ready", flush=True)
        for _ in sys.stdin:
            print(session.get(kind.me, timeout=WAIT).status_code, flush=True)


if __name__ == "__main__":
    call(*sys.argv[1:])
