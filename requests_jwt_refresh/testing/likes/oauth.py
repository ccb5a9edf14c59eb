"""RFC 6749: the common part of all that speak it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from requests_jwt_refresh.testing.shapes import (
    Ask,
    Errors,
    InField,
    Shape,
    Slot,
    Template,
    say,
    throttle,
)

if TYPE_CHECKING:
    from requests_jwt_refresh.testing.faults import Status
    from requests_jwt_refresh.testing.shapes import ClientAuth

GRANT_TYPE = {"grant_type": "refresh_token"}
BODY = {  # RFC 6749 §5.1
    "access_token": Slot.ACCESS,
    "token_type": "Bearer",
    "expires_in": Slot.SECONDS,
    "refresh_token": Slot.REFRESH,
}
CHALLENGE = 'Bearer error="invalid_token", error_description="The access token expired"'
THROTTLED = throttle({"error": "too_many_requests"})


def error(code: str, description: str | None = None, status: int = 400, **more: Any) -> Status:
    """Return an error response (RFC 6749 §5.2)."""
    told = {} if description is None else {"error_description": description}
    return say(status, {"error": code, **told, **more})


def errors(refused: Status | None = None, **others: Status) -> Errors:
    """Return the errors of a token endpoint (RFC 6749 §5.2), with those that are its own."""
    usual = {
        "missing": error("invalid_request"),
        "shape": error("unsupported_grant_type"),
        "client": say(401, {"error": "invalid_client"}, WWW_Authenticate='Basic realm="token"'),
        "field": error("invalid_request"),
    }
    return Errors(refused or error("invalid_grant"), **{**usual, **others})


def api(refused: Status | None = None, **others: Status) -> Errors:
    """Return the errors of an API (RFC 6750 §3), with those that are its own."""
    missing = say(401, None, WWW_Authenticate="Bearer")
    return Errors(
        refused or say(401, None, WWW_Authenticate=CHALLENGE), **{"missing": missing, **others}
    )


def ask(
    path: str,
    *,
    client: tuple[ClientAuth, ...] = ("basic", "post"),
    body: dict[str, Any] = BODY,
    errors: Errors = errors(),  # noqa: B008 - a frozen value
    **others: Any,
) -> Ask:
    """Return a refresh request (RFC 6749 §6)."""
    usual = {"encoding": ("form",), "fields": GRANT_TYPE, "secret": (InField("refresh_token"),)}
    return Ask(
        path=path, errors=errors, answer=Template(body), client=client, **{**usual, **others}
    )


def password_login(refresh: Ask, refused: Status) -> Ask:
    """Return a login at the same endpoint (RFC 6749 §4.3)."""
    return Ask(
        path=refresh.path,
        errors=replace(refresh.errors, refused=refused),
        answer=refresh.answer,
        client=refresh.client,
        trade="password",
        encoding=("form",),
        fields={"grant_type": "password"},
        user=InField("username"),
        secret=(InField("password"),),
    )


def revocation(
    path: str, *, client: tuple[ClientAuth, ...] = ("basic", "post"), **others: Any
) -> Ask:
    """Return a revocation (RFC 7009)."""
    usual: dict[str, Any] = {"errors": errors(), "answer": Template(status=200)}
    usual |= {"encoding": ("form",), "secret": (InField("token"),)}
    return Ask(path=path, trade="end", client=client, **{**usual, **others})


def shape(refresh: Ask, **others: Any) -> Shape:
    """Return a server that refreshes by RFC 6749."""
    usual: dict[str, Any] = {"api_errors": api(), "throttled": THROTTLED}
    return Shape(refresh=(refresh,), **{**usual, **others})
