"""APIs behind RFC 6749 with ways of their own: errors that come with 200, other headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.testing.likes import oauth
from requests_jwt_refresh.testing.likes.oauth import error
from requests_jwt_refresh.testing.shapes import (
    Ask,
    Errors,
    InHeader,
    Slot,
    Template,
    say,
    throttle,
)

if TYPE_CHECKING:
    from requests_jwt_refresh.testing.shapes import Shape

SHAPES: Final[dict[str, Shape]] = {}

_GITHUB_DOCS: Final = "https://docs.github.com/"
SHAPES["github"] = oauth.shape(
    oauth.ask(
        "/login/oauth/access_token",
        client=("post",),
        body={
            "access_token": Slot.ACCESS,
            "expires_in": Slot.SECONDS,
            "refresh_token": Slot.REFRESH,
            "refresh_token_expires_in": Slot.REFRESH_SECONDS,
            "scope": "",
            "token_type": "bearer",
        },
        errors=Errors(
            error(
                "bad_refresh_token",
                "The refresh token passed is incorrect or expired.",
                200,
                error_uri=_GITHUB_DOCS,
            ),
            shape=error("unsupported_grant_type", "The grant type is not supported.", 200),
            client=error(
                "incorrect_client_credentials",
                "The client_id and/or client_secret passed are incorrect.",
                200,
                error_uri=_GITHUB_DOCS,
            ),
        ),
    ),
    api=(InHeader(), InHeader(scheme="token")),
    api_errors=Errors(
        say(401, {"message": "Bad credentials", "documentation_url": f"{_GITHUB_DOCS}rest"}),
        missing=say(
            401, {"message": "Requires authentication", "documentation_url": f"{_GITHUB_DOCS}rest"}
        ),
    ),
    throttled=throttle({"message": "You have exceeded a secondary rate limit."}, 403),
    is_form_by_default=True,
    prefixes=("ghu_", "ghr_"),
    refresh_lifetime=15_897_600,
    options={"opaque": True, "lifetime": 28_800.0},
)


def _slack(code: str) -> dict[str, object]:
    return {"ok": False, "error": code}


SHAPES["slack"] = oauth.shape(
    oauth.ask(
        "/api/oauth.v2.access",
        body={
            "ok": True,
            "access_token": Slot.ACCESS,
            "expires_in": Slot.SECONDS,
            "refresh_token": Slot.REFRESH,
            "token_type": "bot",
            "scope": "commands,incoming-webhook",
            "bot_user_id": "U0KRQLJ9H",
            "app_id": "A0KRD7HC3",
            "team": {"name": "Slack Softball Team", "id": "T9TK3CUKW"},
        },
        errors=Errors(
            say(200, _slack("invalid_refresh_token")),
            shape=say(200, _slack("invalid_grant_type")),
            client=say(200, _slack("bad_client_secret")),
        ),
    ),
    logout=Ask(
        path="/api/auth.revoke",
        trade="end-live",
        encoding=(),
        secret=(InHeader(),),
        errors=Errors(say(200, _slack("invalid_auth")), missing=say(200, _slack("not_authed"))),
        answer=Template({"ok": True, "revoked": True}),
    ),
    api_errors=Errors(
        say(200, _slack("token_expired")),
        missing=say(200, _slack("not_authed")),
        garbage=say(200, _slack("invalid_auth")),
    ),
    throttled=throttle(_slack("ratelimited")),
    prefixes=("xoxe.xoxb-1-", "xoxe-1-"),
    options={"opaque": True, "lifetime": 43_200.0},
)

_SHOPIFY_401: Final = say(
    401,
    {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"},
)
SHAPES["shopify"] = oauth.shape(
    oauth.ask(
        "/admin/oauth/access_token",
        client=("post",),
        encoding=("form", "json"),
        body={
            "access_token": Slot.ACCESS,
            "expires_in": Slot.SECONDS,
            "refresh_token": Slot.REFRESH,
            "refresh_token_expires_in": Slot.REFRESH_SECONDS,
            "scope": "write_orders,read_customers",
        },
        errors=oauth.errors(
            error("invalid_grant", "The refresh token is invalid or has expired."),
            client=error("invalid_client", "Client authentication failed.", 401),
        ),
    ),
    api=(InHeader("X-Shopify-Access-Token", None),),
    api_errors=Errors(_SHOPIFY_401),
    throttled=throttle(
        {"errors": "Exceeded 2 calls per second for api client."}, retry_after="2.0"
    ),
    prefixes=("shpat_", "shprt_"),
    refresh_lifetime=7_776_000,
    options={"opaque": True, "lifetime": 3600.0},
)
