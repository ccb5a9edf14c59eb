"""Servers written in Python: Django, Flask, FastAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.testing.shapes import (
    Ask,
    Csrf,
    Errors,
    InCookie,
    InField,
    SetCookie,
    Shape,
    Slot,
    Template,
    say,
    throttle,
)

if TYPE_CHECKING:
    from requests_jwt_refresh.testing.faults import Status

SHAPES: Final[dict[str, Shape]] = {}


# --- Flask-JWT-Extended ---------------------------------------------------------------------------


def _msg(status: int, text: str) -> Status:
    return say(status, {"msg": text})


_FLASK_CSRF: Final = Csrf("X-CSRF-TOKEN")
_ACCESS_COOKIE: Final = InCookie("access_token_cookie", _FLASK_CSRF)
_REFRESH_COOKIE: Final = InCookie("refresh_token_cookie", _FLASK_CSRF)
_SET_ACCESS: Final = (
    SetCookie("access_token_cookie", Slot.ACCESS, "HttpOnly; Path=/"),
    SetCookie("csrf_access_token", Slot.ACCESS_CSRF, "Path=/"),
)
_SET_REFRESH: Final = (
    SetCookie("refresh_token_cookie", Slot.REFRESH, "HttpOnly; Path=/"),
    SetCookie("csrf_refresh_token", Slot.REFRESH_CSRF, "Path=/"),
)
SHAPES["flask-jwt-extended-cookies"] = Shape(
    refresh=(
        Ask(
            path="/refresh",
            encoding=(),
            secret=(_REFRESH_COOKIE,),
            errors=Errors(
                _msg(401, "Token has been revoked"),
                garbage=_msg(422, "Not enough segments"),
                missing=_msg(401, 'Missing cookie "refresh_token_cookie"'),
                csrf=_msg(401, "Missing CSRF token"),
            ),
            answer=Template({"msg": "refresh successful"}, cookies=(*_SET_ACCESS, *_SET_REFRESH)),
        ),
    ),
    login=Ask(
        path="/login",
        trade="password",
        user=InField("username"),
        secret=(InField("password"),),
        errors=Errors(_msg(401, "Bad username or password")),
        answer=Template({"msg": "login successful"}, cookies=(*_SET_ACCESS, *_SET_REFRESH)),
    ),
    logout=Ask(
        path="/logout",
        trade="end",
        encoding=(),
        secret=(InCookie("access_token_cookie"), InCookie("refresh_token_cookie")),
        errors=Errors(_msg(401, 'Missing cookie "access_token_cookie"')),
        answer=Template(
            {"msg": "logout successful"},
            cookies=tuple(SetCookie(each.name, None) for each in (*_SET_ACCESS, *_SET_REFRESH)),
        ),
    ),
    api=(_ACCESS_COOKIE,),
    api_errors=Errors(
        _msg(401, "Token has expired"),
        garbage=_msg(422, "Not enough segments"),
        missing=_msg(401, 'Missing cookie "access_token_cookie"'),
        csrf=_msg(401, "Missing CSRF token"),
    ),
    throttled=throttle(),
    options={"rotate": False, "lifetime": 900.0},
)
