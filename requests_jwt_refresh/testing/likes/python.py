"""Flask and FastAPI: Flask-JWT-Extended, Flask-AppBuilder, AuthX, FastAPI's template."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.testing.shapes import (
    Ask,
    Csrf,
    Errors,
    InCookie,
    InField,
    InHeader,
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


_FLASK_API: Final = Errors(
    _msg(401, "Token has expired"),
    garbage=_msg(422, "Not enough segments"),
    missing=_msg(401, "Missing Authorization Header"),
)
_BY_HEADER: Final = Ask(
    path="/refresh",
    encoding=(),
    secret=(InHeader(),),
    errors=Errors(
        _msg(401, "Token has been revoked"),
        garbage=_msg(422, "Not enough segments"),
        missing=_msg(401, "Missing Authorization Header"),
    ),
    answer=Template({"access_token": Slot.ACCESS, "refresh_token": Slot.REFRESH}),
)
_BOTH: Final = Template({"access_token": Slot.ACCESS, "refresh_token": Slot.KEPT})
SHAPES["flask-jwt-extended"] = Shape(
    refresh=(_BY_HEADER,),
    login=(
        Ask(
            path="/login",
            trade="password",
            user=InField("username"),
            secret=(InField("password"),),
            errors=Errors(
                _msg(401, "Bad username or password"),
                shape=_msg(415, "Did not attempt to load JSON data."),
            ),
            answer=_BOTH,
        ),
    ),
    logout=replace(
        _BY_HEADER,
        path="/logout",
        method="DELETE",
        trade="end",
        answer=Template({"msg": "Refresh token successfully revoked"}),
    ),
    api_errors=_FLASK_API,
    throttled=throttle(),
    options={"rotate": False, "lifetime": 900.0},
)

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
                bad_csrf=_msg(401, "CSRF double submit tokens do not match"),
            ),
            answer=Template({"msg": "refresh successful"}, cookies=(*_SET_ACCESS, *_SET_REFRESH)),
        ),
    ),
    login=(
        Ask(
            path="/login",
            trade="password",
            user=InField("username"),
            secret=(InField("password"),),
            errors=Errors(_msg(401, "Bad username or password")),
            answer=Template({"msg": "login successful"}, cookies=(*_SET_ACCESS, *_SET_REFRESH)),
        ),
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
        bad_csrf=_msg(401, "CSRF double submit tokens do not match"),
    ),
    throttled=throttle(),
    options={"rotate": False, "lifetime": 900.0},
)


# --- Flask-AppBuilder, and so Superset -----------------------------------------------------------

_FAB_LOGIN: Final = Ask(
    path="/api/v1/security/login",
    trade="password",
    fields={"provider": "db", "refresh": True},
    user=InField("username"),
    secret=(InField("password"),),
    errors=Errors(
        say(401, {"message": "Not authorized"}),
        missing=say(400, {"message": "Missing required parameter"}),
    ),
    answer=_BOTH,
)
SHAPES["flask-appbuilder"] = Shape(
    refresh=(replace(_BY_HEADER, path="/api/v1/security/refresh"),),
    login=(
        _FAB_LOGIN,
        replace(  # a refresh token is given to those who ask for one
            _FAB_LOGIN, fields={"provider": "db"}, answer=Template({"access_token": Slot.ACCESS})
        ),
    ),
    api_errors=_FLASK_API,
    throttled=throttle(),
    options={"rotate": False, "lifetime": 900.0},
)


# --- AuthX ---------------------------------------------------------------------------------------


def _authx(status: int, name: str, message: str) -> Status:
    return say(status, {"message": message, "error_type": name})


_AUTHX_GARBAGE: Final = _authx(422, "JWTDecodeError", "Invalid Token")
_AUTHX_MISSING: Final = _authx(401, "MissingTokenError", "Missing JWT in request")
SHAPES["authx"] = Shape(
    refresh=(
        Ask(
            path="/refresh",
            encoding=("json", "empty"),
            secret=(InHeader(), InField("refresh_token")),
            errors=Errors(
                _authx(401, "RevokedTokenError", "Invalid token"),
                garbage=_AUTHX_GARBAGE,
                missing=_AUTHX_MISSING,
            ),
            answer=Template({"access_token": Slot.ACCESS, "refresh_token": Slot.REFRESH}),
        ),
    ),
    login=(
        Ask(
            path="/login",
            trade="password",
            user=InField("username"),
            secret=(InField("password"),),
            errors=Errors(say(401, {"detail": "Bad username/password"})),
            answer=_BOTH,
        ),
    ),
    api_errors=Errors(
        _authx(422, "TokenExpiredError", "Token expired"),
        garbage=_AUTHX_GARBAGE,
        missing=_AUTHX_MISSING,
    ),
    throttled=throttle(),
    options={"rotate": False, "lifetime": 900.0},
)


# --- FastAPI's full-stack template ---------------------------------------------------------------


def _detail(status: int, content: object, **headers: str) -> Status:
    return say(status, {"detail": content}, **headers)


SHAPES["fastapi-template"] = Shape(
    login=(
        Ask(
            path="/login/access-token",
            trade="password",
            encoding=("form",),
            user=InField("username"),
            secret=(InField("password"),),
            errors=Errors(
                _detail(400, "Incorrect email or password"),
                missing=_detail(
                    422,
                    [{"type": "missing", "loc": ["body", "username"], "msg": "Field required"}],
                ),
            ),
            answer=Template({"access_token": Slot.ACCESS, "token_type": "bearer"}),
        ),
    ),
    api_errors=Errors(
        _detail(403, "Could not validate credentials"),
        missing=_detail(401, "Not authenticated", WWW_Authenticate="Bearer"),
    ),
    throttled=throttle(),
    options={"lifetime": 691_200.0},
)
