"""Servers without a name: one for each further kind of API that there is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from requests_jwt_refresh.testing.likes import oauth
from requests_jwt_refresh.testing.shapes import (
    Ask,
    Errors,
    InField,
    InHeader,
    Shape,
    Slot,
    Template,
    say,
    throttle,
)

SHAPES: Final[dict[str, Shape]] = {}

_BODY: Final = {"access_token": Slot.ACCESS, "refresh_token": Slot.REFRESH}


_REFRESH: Final = Ask(
    path="/auth/refresh",
    secret=(InField("refresh_token"),),
    errors=Errors(
        say(401, {"error": "invalid_grant"}), missing=say(400, {"error": "invalid_request"})
    ),
    answer=Template(_BODY),
)
_LOGIN: Final = Ask(
    path="/auth/login",
    trade="password",
    user=InField("username"),
    secret=(InField("password"),),
    errors=Errors(say(401, {"message": "Bad credentials"})),
    answer=Template(_BODY),
)


def _json(refresh: Ask, **others: Any) -> Shape:
    """Return a server that takes and gives plain JSON, and has a login and a logout."""
    return Shape(
        refresh=(refresh,),
        login=(replace(_LOGIN, answer=refresh.answer),),
        logout=replace(refresh, path="/auth/logout", trade="end", answer=Template(), access=None),
        **{"api_errors": oauth.api(), "throttled": oauth.THROTTLED, **others},
    )


def _answering(**expiry: Slot) -> Ask:
    return replace(_REFRESH, answer=Template({**_BODY, **expiry}))


SHAPES["sliding"] = _json(_answering(expires_in=Slot.SECONDS), renewed="X-Renewed-Token")
SHAPES["epoch-ms"] = _json(_answering(expires_at=Slot.EPOCH_MS))
SHAPES["rfc3339"] = _json(_answering(expires_at=Slot.DATE))
SHAPES["both-tokens"] = _json(
    replace(
        _REFRESH,
        secret=(InField("refreshToken"),),
        access=InField("accessToken"),
        errors=Errors(say(400, {"message": "Invalid client request"})),
        answer=Template({"accessToken": Slot.ACCESS, "refreshToken": Slot.REFRESH}),
    )
)


# --- GraphQL -------------------------------------------------------------------------------------


def _graphql_error(code: str, message: str) -> dict[str, Any]:
    return {"message": message, "extensions": {"code": code}}


_UNAUTHENTICATED: Final = {
    "data": None,
    "errors": [
        _graphql_error("DEPRECATED_FIELD", "The field is deprecated"),
        _graphql_error("UNAUTHENTICATED", "jwt expired"),
    ],
}
SHAPES["graphql-list"] = _json(
    _answering(expires_in=Slot.SECONDS),
    api_errors=Errors(say(200, _UNAUTHENTICATED)),
    expired_batch=say(200, [{"data": {"ok": True}}, _UNAUTHENTICATED]),
)


# --- A session in a header -----------------------------------------------------------------------

_SESSION: Final = InHeader("X-Auth-Token", None)
_NO_SESSION: Final = say(401, {"error": {"code": 401, "message": "The session is not valid"}})
SHAPES["session-header"] = Shape(
    login=(
        Ask(
            path="/auth/login",
            trade="password",
            user=InField("username"),
            secret=(InField("password"),),
            errors=Errors(_NO_SESSION),
            answer=Template({"user": Slot.USER}, status=201, headers={"X-Auth-Token": Slot.ACCESS}),
        ),
    ),
    logout=Ask(
        path="/auth/logout",
        method="DELETE",
        trade="end-live",
        encoding=(),
        secret=(_SESSION,),
        errors=Errors(_NO_SESSION),
        answer=Template(),
    ),
    api=(_SESSION,),
    api_errors=Errors(_NO_SESSION),
    throttled=throttle(),
    options={"opaque": True, "lifetime": 1800.0},
)


# --- Grants without a refresh token --------------------------------------------------------------

_GRANTED: Final = {
    "access_token": Slot.ACCESS,
    "token_type": "Bearer",
    "expires_in": Slot.SECONDS,
}
_BY_CLIENT: Final = oauth.ask(
    "/oauth/token",
    trade="client",
    body=_GRANTED,
    fields={"grant_type": "client_credentials"},
    secret=(),
)


def _by_assertion(grant_type: str, field: str, **others: object) -> Ask:
    fields = {"grant_type": f"urn:ietf:params:oauth:grant-type:{grant_type}"}
    return replace(
        _BY_CLIENT,
        trade="assertion",
        fields=fields,
        secret=(InField(field),),
        client=("basic", "post", "public", "nobody"),  # it is optional (RFC 7523 §2.1)
        **others,  # type: ignore[arg-type]  # fields of Ask
    )


_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"
SHAPES["client-credentials"] = replace(
    oauth.shape(_BY_CLIENT),
    refresh=(
        _BY_CLIENT,
        _by_assertion("jwt-bearer", "assertion"),  # RFC 7523
        _by_assertion(  # RFC 8693
            "token-exchange",
            "subject_token",
            needs=("subject_token_type",),
            answer=Template({**_GRANTED, "issued_token_type": _TYPE}),
        ),
    ),
)
