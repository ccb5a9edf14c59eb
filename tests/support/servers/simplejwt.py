"""A Django project in one file, with djangorestframework-simplejwt as its documentation has it.

Refresh tokens rotate and the old ones are blacklisted; access tokens live ACCESS_SECONDS, less the
fraction of a second that the integer ``exp`` cuts off.
"""

# ruff: noqa: E402 - Django's modules want the settings first
# Django and its REST framework have no types:
# mypy: disable-error-code="import-untyped, misc"

from __future__ import annotations

import os
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
    USE_I18N=True,
    USE_TZ=True,
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
        "rest_framework_simplejwt",  # for its translations
        "rest_framework_simplejwt.token_blacklist",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.locale.LocaleMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [
            "rest_framework_simplejwt.authentication.JWTAuthentication"
        ],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
    SIMPLE_JWT={
        "ACCESS_TOKEN_LIFETIME": timedelta(seconds=float(os.environ.get("ACCESS_SECONDS", "5"))),
        "ROTATE_REFRESH_TOKENS": True,
        "BLACKLIST_AFTER_ROTATION": True,
    },
)
django.setup()

from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import path
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.serializers import (
    TokenObtainPairSerializer,
    TokenRefreshSerializer,
)
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken
from rest_framework_simplejwt.views import (
    TokenBlacklistView,
    TokenObtainPairView,
    TokenRefreshView,
)

from tests.support.servers.recording import RecordingApp


class OneSecondRefreshToken(RefreshToken):
    lifetime = timedelta(seconds=1)


class OneSecondRefreshSerializer(TokenObtainPairSerializer):
    token_class = OneSecondRefreshToken


class OneSecondRefreshLogin(TokenObtainPairView):
    """A login whose refresh token expires in a second."""

    serializer_class = OneSecondRefreshSerializer


class OneSecondAccessToken(AccessToken):
    lifetime = timedelta(seconds=1)


class OneSecondAccessPair(RefreshToken):
    access_token_class = OneSecondAccessToken


class OneSecondAccessSerializer(TokenObtainPairSerializer):
    token_class = OneSecondAccessPair


class OneSecondAccessLogin(TokenObtainPairView):
    """A login whose access token expires in a second."""

    serializer_class = OneSecondAccessSerializer


class ExpiredAccessToken(AccessToken):
    lifetime = timedelta(seconds=-1)


class ExpiredAccessPair(RefreshToken):
    access_token_class = ExpiredAccessToken


class ExpiredAccessSerializer(TokenObtainPairSerializer):
    token_class = ExpiredAccessPair


class ExpiredAccessLogin(TokenObtainPairView):
    """A login whose access token has expired already."""

    serializer_class = ExpiredAccessSerializer


class ThreeSecondsAccessToken(AccessToken):
    lifetime = timedelta(seconds=3)


class ThreeSecondsAccessPair(RefreshToken):
    access_token_class = ThreeSecondsAccessToken


class ThreeSecondsSerializer(TokenRefreshSerializer):
    token_class = ThreeSecondsAccessPair


class ThreeSecondsRefresh(TokenRefreshView):
    """A refresh whose access token expires in three seconds."""

    serializer_class = ThreeSecondsSerializer


class WhoAmI(APIView):
    def get(self, request: Any) -> Response:
        return Response({"user": request.user.username})

    def post(self, request: Any) -> Response:
        """Return what the request carried."""
        return Response({"user": request.user.username, "body": request.data})


class Away(APIView):
    """Redirects to where the query says."""

    def get(self, request: Any) -> Response:
        return Response(status=307, headers={"Location": request.query_params["to"]})


class WhoAmISessionFirst(WhoAmI):
    """Without a challenge of the first class to give, DRF says 403 instead of 401."""

    authentication_classes: ClassVar = [SessionAuthentication, JWTAuthentication]


class Vault(APIView):
    """Wants a second factor, always: a 401 that is the application's own."""

    def get(self, _request: Any) -> Response:
        return Response({"detail": "One-time code needed.", "code": "otp_needed"}, status=401)


class Register(APIView):
    authentication_classes: ClassVar[list[Any]] = []
    permission_classes: ClassVar = [AllowAny]

    def post(self, request: Any) -> Response:
        User.objects.create_user(request.data["username"], password=request.data["password"])
        return Response(status=204)


class Leave(APIView):
    """Deactivates the user; from then on SimpleJWT says 401 with the code user_inactive."""

    def post(self, request: Any) -> Response:
        User.objects.filter(pk=request.user.pk).update(is_active=False)
        return Response(status=204)


urlpatterns = [
    path("api/token/", TokenObtainPairView.as_view()),
    path("api/token/one-second-refresh/", OneSecondRefreshLogin.as_view()),
    path("api/token/expired-access/", ExpiredAccessLogin.as_view()),
    path("api/token/one-second-access/", OneSecondAccessLogin.as_view()),
    path("api/token/refresh/", TokenRefreshView.as_view()),
    path("api/token/refresh/three-seconds/", ThreeSecondsRefresh.as_view()),
    path("api/token/blacklist/", TokenBlacklistView.as_view()),
    path("api/whoami/", WhoAmI.as_view()),
    path("api/whoami/session-first/", WhoAmISessionFirst.as_view()),
    path("api/away/", Away.as_view()),
    path("api/vault/", Vault.as_view()),
    path("api/register/", Register.as_view()),
    path("api/leave/", Leave.as_view()),
]

call_command("migrate", verbosity=0)
User.objects.create_user("alice", password="secret")
app = RecordingApp(get_wsgi_application())
