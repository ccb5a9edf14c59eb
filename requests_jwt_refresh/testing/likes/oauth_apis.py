"""APIs behind RFC 6749 with ways of their own: GitHub, Slack, Strava, Fitbit, Bluesky."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.testing.likes import oauth
from requests_jwt_refresh.testing.likes.oauth import BODY, error
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
    from requests_jwt_refresh.testing.faults import Status
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


# --- Strava --------------------------------------------------------------------------------------


def _strava(status: int, message: str, resource: str, field: str, code: str) -> Status:
    fault = {"resource": resource, "field": field, "code": code}
    return say(status, {"message": message, "errors": [fault]})


_STRAVA: Final = oauth.ask(
    "/api/v3/oauth/token",
    client=("post",),
    body={
        "token_type": "Bearer",
        "access_token": Slot.ACCESS,
        "expires_at": Slot.EPOCH,
        "expires_in": Slot.SECONDS,
        "refresh_token": Slot.KEPT,
    },
    errors=Errors(
        _strava(400, "Bad Request", "RefreshToken", "refresh_token", "invalid"),
        shape=_strava(400, "Bad Request", "AuthorizationCode", "grant_type", "invalid"),
        client=_strava(401, "Authorization Error", "Application", "", "invalid"),
    ),
)
SHAPES["strava"] = replace(
    oauth.shape(
        _STRAVA,
        logout=Ask(
            path="/oauth/deauthorize",
            trade="end-live",
            encoding=(),
            secret=(InHeader(),),
            errors=Errors(
                _strava(401, "Authorization Error", "Athlete", "access_token", "invalid")
            ),
            answer=Template({}),
        ),
        api_errors=Errors(
            _strava(401, "Authorization Error", "Athlete", "access_token", "invalid")
        ),
        throttled=_strava(429, "Rate Limit Exceeded", "Application", "rate limit", "exceeded"),
        options={"opaque": True, "lifetime": 21_600.0},
    ),
    refresh=(_STRAVA, replace(_STRAVA, path="/oauth/token")),
)


# --- Fitbit --------------------------------------------------------------------------------------


def _fitbit(status: int, name: str, message: str) -> Status:
    return say(status, {"errors": [{"errorType": name, "message": message}], "success": False})


_FITBIT_CLIENT: Final = _fitbit(401, "invalid_client", "Invalid authorization header format.")
SHAPES["fitbit"] = oauth.shape(
    oauth.ask(
        "/oauth2/token",
        client=("basic",),
        body={**BODY, "scope": "activity profile", "user_id": Slot.USER},
        errors=Errors(
            _fitbit(400, "invalid_grant", "Refresh token invalid."),
            missing=_fitbit(400, "invalid_request", "Missing parameters: refresh_token."),
            shape=_fitbit(400, "unsupported_grant_type", "Unsupported grant type."),
            client=_FITBIT_CLIENT,
        ),
    ),
    logout=oauth.revocation(
        "/oauth2/revoke",
        client=("basic",),
        errors=Errors(_fitbit(400, "invalid_request", "Missing token."), client=_FITBIT_CLIENT),
    ),
    api_errors=Errors(
        _fitbit(401, "expired_token", "Access token expired."),
        garbage=_fitbit(401, "invalid_token", "Access token invalid."),
        missing=_fitbit(401, "invalid_request", "Authorization header required."),
    ),
    throttled=throttle({"error": {"code": 429, "message": "Resource has been exhausted"}}),
    options={"grace": 120.0, "lifetime": 28_800.0},
)


# --- Bluesky OAuth, with proofs of possession (RFC 9449) ------------------------------------------

SHAPES["bluesky-oauth"] = oauth.shape(
    oauth.ask(
        "/oauth/token",
        client=("public", "post"),
        encoding=("form", "json"),
        body={
            **BODY,
            "token_type": "DPoP",
            "scope": "atproto transition:generic",
            "sub": "did:plc:ewvi7nxzyoun6zhxrhs64oiz",
        },
        errors=oauth.errors(error("invalid_grant", "Invalid refresh token")),
    ),
    logout=oauth.revocation("/oauth/revoke", client=("public", "post")),
    api=(InHeader(scheme="DPoP"),),
    dpop=True,
    api_errors=Errors(
        say(
            401,
            {"error": "invalid_token", "message": '"exp" claim timestamp check failed'},
            WWW_Authenticate='DPoP error="invalid_token"',
        ),
        missing=say(
            401,
            {"error": "AuthMissing", "message": "Authentication Required"},
            WWW_Authenticate="DPoP",
        ),
    ),
    throttled=throttle(
        {"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"}, retry_after=None
    ),
    options={"lifetime": 3600.0},
)
