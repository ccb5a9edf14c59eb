"""A Django project in one file, with djoser and dj-rest-auth as their documentation has them.

djoser below /auth/, and its header ``Authorization: JWT``, which alone is taken below /header/;
dj-rest-auth below /dj-rest-auth/, both tokens in HttpOnly cookies, and Django's CSRF with them;
below /cookie/ it takes a header as well. Refresh tokens rotate and the old ones are blacklisted.
A request with ``X-Forwarded-Proto: https`` counts as one over TLS.
"""

# ruff: noqa: E402 - Django's modules want the settings first
# Django and its REST framework have no types:
# mypy: disable-error-code="import-untyped, misc"

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="django-insecure-only-for-tests-and-long-enough-for-hs256",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(tempfile.mkdtemp()) / "db.sqlite3",
            "OPTIONS": {"timeout": 30},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # quick
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "rest_framework",
        "rest_framework_simplejwt.token_blacklist",
        "djoser",
        "dj_rest_auth",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["dj_rest_auth.jwt_auth.JWTCookieAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
    SIMPLE_JWT={
        "AUTH_HEADER_TYPES": ("JWT", "Bearer"),
        "ROTATE_REFRESH_TOKENS": True,
        "BLACKLIST_AFTER_ROTATION": True,
    },
    REST_AUTH={
        "TOKEN_MODEL": None,
        "USE_JWT": True,
        "JWT_AUTH_COOKIE": "my-app-auth",
        "JWT_AUTH_REFRESH_COOKIE": "my-refresh-token",
        "JWT_AUTH_COOKIE_USE_CSRF": True,
    },
)
django.setup()

from dj_rest_auth.jwt_auth import JWTCookieAuthentication, get_refresh_view
from dj_rest_auth.views import LoginView, LogoutView
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import AccessToken
from rest_framework_simplejwt.views import TokenBlacklistView

from tests.support.servers.recording import RecordingApp


class OnlyJWT(JWTAuthentication):
    """Takes the word of djoser's documentation, and no other."""

    def get_raw_token(self, header: bytes) -> Any:
        return super().get_raw_token(header) if header.startswith(b"JWT ") else None


class Expired(APIView):
    """Gives an access token of alice's that has expired."""

    authentication_classes: ClassVar[list[Any]] = []
    permission_classes: ClassVar[list[Any]] = []

    def get(self, _request: Any) -> Response:
        expired = AccessToken.for_user(User.objects.get(username="alice"))
        expired.set_exp(lifetime=timedelta(seconds=-1))
        return Response({"access": str(expired)})


class WhoAmI(APIView):
    """The user, and what the request carried."""

    authentication_classes: ClassVar = [OnlyJWT]

    def get(self, request: Any) -> Response:
        return Response({"user": request.user.username})

    def post(self, request: Any) -> Response:
        return Response({"user": request.user.username, "body": request.data})


class WhoAmIByCookie(WhoAmI):
    authentication_classes: ClassVar = [JWTCookieAuthentication]


class Away(APIView):
    """Redirects to where the query says."""

    authentication_classes: ClassVar = [OnlyJWT]

    def get(self, request: Any) -> Response:
        return Response(status=307, headers={"Location": request.query_params["to"]})


class AwayByCookie(Away):
    authentication_classes: ClassVar = [JWTCookieAuthentication]


urlpatterns = [
    path("auth/", include("djoser.urls.jwt")),
    path("auth/jwt/blacklist/", TokenBlacklistView.as_view()),
    path("dj-rest-auth/login/", LoginView.as_view()),
    path("dj-rest-auth/logout/", LogoutView.as_view()),
    path("dj-rest-auth/token/refresh/", get_refresh_view().as_view()),
    path("expired/", Expired.as_view()),
    path("header/me/", WhoAmI.as_view()),
    path("header/away/", Away.as_view()),
    path("cookie/me/", WhoAmIByCookie.as_view()),
    path("cookie/away/", AwayByCookie.as_view()),
]

call_command("migrate", verbosity=0)
User.objects.create_user("alice", password="secret")
app = RecordingApp(get_wsgi_application())
