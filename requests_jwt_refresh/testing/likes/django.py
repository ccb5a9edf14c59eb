"""Django: djangorestframework-simplejwt, djoser and dj-rest-auth."""

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


def _detail(status: int, text: str, code: str | None = None, scheme: str = "Bearer") -> Status:
    told = {"detail": text} if code is None else {"detail": text, "code": code}
    challenge = {"WWW_Authenticate": f'{scheme} realm="api"'} if status == 401 else {}  # noqa: PLR2004
    return say(status, told, **challenge)


def _api_errors(scheme: str = "Bearer") -> Errors:
    message = {
        "token_class": "AccessToken",
        "token_type": "access",
        "message": "Token is invalid or expired",
    }
    expired = {
        "detail": "Given token not valid for any token type",
        "code": "token_not_valid",
        "messages": [message],
    }
    return Errors(
        say(401, expired, WWW_Authenticate=f'{scheme} realm="api"'),
        missing=_detail(401, "Authentication credentials were not provided.", scheme=scheme),
    )


def _ask_errors(field: str) -> Errors:
    return Errors(
        _detail(401, "Token is invalid or expired", "token_not_valid"),
        missing=say(400, {field: ["This field is required."]}),
        shape=_detail(415, 'Unsupported media type "text/plain" in request.'),
        method=_detail(405, 'Method "GET" not allowed.'),
    )


_THROTTLED: Final = throttle({"detail": "Request was throttled. Expected available in 1 second."})
_NO_ACCOUNT: Final = _detail(401, "No active account found with the given credentials")
_ENCODINGS: Final = ("json", "form")


def _simplejwt(
    refresh_path: str, login_path: str, logout: Ask | None = None, scheme: str = "Bearer"
) -> Shape:
    """Return a server with the views of djangorestframework-simplejwt at these paths."""
    refresh = Ask(
        path=refresh_path,
        encoding=_ENCODINGS,
        secret=(InField("refresh"),),
        errors=_ask_errors("refresh"),
        answer=Template({"access": Slot.ACCESS, "refresh": Slot.REFRESH}),
    )
    login = Ask(
        path=login_path,
        trade="password",
        encoding=_ENCODINGS,
        user=InField("username"),
        secret=(InField("password"),),
        errors=Errors(_NO_ACCOUNT, missing=_ask_errors("password").missing),
        answer=Template({"refresh": Slot.KEPT, "access": Slot.ACCESS}),
    )
    return Shape(
        refresh=(refresh,),
        login=(login,),
        logout=logout,
        api=(InHeader(scheme=scheme),),
        api_errors=_api_errors(scheme),
        throttled=_THROTTLED,
        options={"rotate": False},
    )


SHAPES["simplejwt"] = _simplejwt(
    "/api/token/refresh/",
    "/api/token/",
    Ask(
        path="/api/token/blacklist/",
        trade="end",
        encoding=_ENCODINGS,
        secret=(InField("refresh"),),
        errors=_ask_errors("refresh"),
        answer=Template({}),
    ),
)
SHAPES["simplejwt"] = replace(SHAPES["simplejwt"], appends_slash=True)

_DJOSER: Final = _simplejwt("/auth/jwt/refresh/", "/auth/jwt/create/", scheme="JWT")
SHAPES["djoser"] = replace(  # the slash at the end may be left out
    _DJOSER,
    refresh=(*_DJOSER.refresh, replace(_DJOSER.refresh[0], path="/auth/jwt/refresh")),
    login=(*_DJOSER.login, replace(_DJOSER.login[0], path="/auth/jwt/create")),
)


# --- dj-rest-auth, as it is with USE_JWT ---------------------------------------------------------

_ACCESS: Final = InCookie(
    "my-app-auth", Csrf("X-CSRFToken", cookie="csrftoken"), hidden_by="Authorization"
)
_CSRF: Final = _detail(403, "CSRF Failed: CSRF token missing.")
_REFRESH: Final = InCookie("my-refresh-token")
_SET: Final = (
    SetCookie(_ACCESS.name, Slot.ACCESS, "HttpOnly; Path=/; SameSite=Lax"),
    SetCookie(_REFRESH.name, Slot.REFRESH, "HttpOnly; Path=/; SameSite=Lax"),
)
SHAPES["dj-rest-auth"] = Shape(
    refresh=(
        Ask(
            path="/dj-rest-auth/token/refresh/",
            encoding=("json", "form", "empty"),
            secret=(_REFRESH,),
            errors=Errors(
                _detail(401, "Token is invalid or expired", "token_not_valid"),
                missing=_detail(401, "No valid refresh token found.", "token_not_valid"),
                shape=_ask_errors("refresh").shape,
            ),
            answer=Template({"access": Slot.ACCESS, "access_expiration": Slot.DATE}, cookies=_SET),
        ),
    ),
    login=(
        Ask(
            path="/dj-rest-auth/login/",
            trade="password",
            encoding=_ENCODINGS,
            user=InField("username"),
            secret=(InField("password"),),
            errors=Errors(
                say(400, {"non_field_errors": ["Unable to log in with provided credentials."]}),
            ),
            answer=Template(
                {
                    "access": Slot.ACCESS,
                    "refresh": "",  # JWT_AUTH_HTTPONLY: in the cookie alone
                    "user": {"pk": 1, "username": Slot.USER},
                },
                cookies=(*_SET, SetCookie("csrftoken", Slot.SESSION_CSRF, "Path=/; SameSite=Lax")),
            ),
        ),
    ),
    logout=Ask(
        path="/dj-rest-auth/logout/",
        trade="end",
        encoding=(),
        secret=(_REFRESH,),
        errors=Errors(_detail(401, "Refresh token was not included in cookie data."), csrf=_CSRF),
        guard=_ACCESS,
        answer=Template(
            {"detail": "Successfully logged out."},
            cookies=(SetCookie(_ACCESS.name, None), SetCookie(_REFRESH.name, None)),
        ),
    ),
    api=(InHeader(), _ACCESS),
    api_errors=replace(_api_errors(), csrf=_CSRF),
    throttled=_THROTTLED,
    appends_slash=True,
    options={"rotate": False},
)
