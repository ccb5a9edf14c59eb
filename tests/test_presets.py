"""Each preset speaks its server's own dialect. The bodies here are what the servers really send."""

from __future__ import annotations

import dataclasses
import json
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.structures import CaseInsensitiveDict

from requests_jwt_refresh import presets
from requests_jwt_refresh.errors import RefreshRejected, RefreshUnavailable
from requests_jwt_refresh.matching import any_401, json_field
from requests_jwt_refresh.presets import (
    ASPNETCoreIdentity,
    Directus,
    Express,
    FlaskJWTExtended,
    SimpleJWT,
)
from requests_jwt_refresh.responses import TokenResponse
from requests_jwt_refresh.tokens import Token
from tests.support.endpoints import prepare, prepare_json

if TYPE_CHECKING:
    from requests_jwt_refresh.endpoints import Endpoint
    from tests.support.clock import Clock

ALL = [SimpleJWT(), FlaskJWTExtended(), Directus(), ASPNETCoreIdentity(), Express("/auth/refresh")]


def read(endpoint: Endpoint, status: int, document: Any) -> Token:
    return endpoint.read(
        TokenResponse(status, CaseInsensitiveDict(), json.dumps(document).encode())
    )


def says_expired(endpoint: Endpoint, status: int, document: Any, challenge: str = "") -> bool:
    response = requests.Response()
    response.status_code = status
    response.headers["WWW-Authenticate"] = challenge
    response._content = json.dumps(document).encode()  # noqa: SLF001 - as requests' own tests do
    return endpoint.when(response)


@pytest.mark.parametrize("preset", ALL, ids=lambda preset: type(preset).__name__)
def test_a_preset_is_a_value(preset: Endpoint) -> None:
    """It pickles, compares and hashes, so that a Session which holds it can be pickled."""
    again = pickle.loads(pickle.dumps(preset))
    assert again == preset
    assert hash(again) == hash(preset)


@pytest.mark.parametrize(
    ("preset", "call"),
    [
        (SimpleJWT(), "SimpleJWT()"),
        (SimpleJWT("/jwt/refresh/"), "SimpleJWT('/jwt/refresh/')"),
        (FlaskJWTExtended(), "FlaskJWTExtended()"),
        (
            FlaskJWTExtended(message_key="error"),
            "FlaskJWTExtended(when=json_field('error', 'Token has expired'))",
        ),
        (Directus(when=any_401), "Directus(when=status(401))"),
        (ASPNETCoreIdentity(rejected=(401, 403)), "ASPNETCoreIdentity(rejected=(401, 403))"),
        (Express("/auth/refresh"), "Express('/auth/refresh')"),
    ],
)
def test_a_preset_prints_as_the_call_that_makes_it(preset: Endpoint, call: str) -> None:
    """Without the arguments that are defaults."""
    assert repr(preset) == call


# --- The registry ----------------------------------------------------------------------------

CLASSES = {
    "simplejwt": SimpleJWT,
    "flask-jwt-extended": FlaskJWTExtended,
    "directus": Directus,
    "aspnetcore-identity": ASPNETCoreIdentity,
    "express": Express,
}


def test_a_preset_is_loaded_by_the_name_it_has_in_profiles() -> None:
    """Its module says which endpoint, login and logout belong to it; only Express needs a URL."""
    loaded = {name: presets.load(name) for name in presets.PRESET_MODULES}
    assert {name: each.endpoint for name, each in loaded.items()} == CLASSES
    assert [name for name, each in loaded.items() if each.needs_url] == ["express"]


@pytest.mark.parametrize("name", CLASSES)
def test_login_and_logout_are_the_documented_ones(name: str) -> None:
    """A login has the URL that goes with the endpoint; a logout may name only its field."""
    preset = presets.load(name)
    assert (preset.login.get("url"), preset.logout.get("url")) == {
        "simplejwt": ("/api/token/", "/api/token/blacklist/"),
        "flask-jwt-extended": ("/login", "/logout"),
        "directus": ("/auth/login", "/auth/logout"),
        "aspnetcore-identity": ("/login", None),
        "express": (None, None),
    }[name]


def test_an_unknown_preset_is_an_error_that_names_the_known_ones() -> None:
    """ValueError."""
    with pytest.raises(ValueError, match="'django' is no preset: there are simplejwt, flask-jwt"):
        presets.load("django")


def test_the_names_can_be_read_without_loading_a_preset() -> None:
    """The command line's help lists them, and must not pay for requests."""
    code = (
        "import sys\n"
        "from requests_jwt_refresh import presets\n"
        "assert 'simplejwt' in presets.PRESET_MODULES and 'SimpleJWT' in dir(presets)\n"
        "loaded = [name for name in sys.modules if 'requests_jwt_refresh.presets.' in name]\n"
        "assert loaded == [] and 'requests' not in sys.modules, loaded\n"
        "presets.SimpleJWT()\n"
        "assert 'requests_jwt_refresh.presets.simplejwt' in sys.modules\n"
        "assert 'requests_jwt_refresh.presets.directus' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_what_is_not_there_is_an_attribute_error() -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match="'Django'"):
        presets.Django  # noqa: B018 - looking it up is what is tested


def test_a_pickle_from_the_time_of_one_module_is_still_read() -> None:
    """0.1 had all presets in requests_jwt_refresh.presets."""
    pickled = pickle.dumps(SimpleJWT("/mine/"), protocol=0)
    assert b"requests_jwt_refresh.presets.simplejwt\n" in pickled
    old = pickled.replace(b"presets.simplejwt\n", b"presets\n")
    assert pickle.loads(old) == SimpleJWT("/mine/")


# --- djangorestframework-simplejwt -----------------------------------------------------------

NOT_VALID = {"detail": "Token is expired", "code": "token_not_valid"}


def test_simplejwt_posts_refresh_to_the_path_with_its_slash() -> None:
    """Without the slash Django would redirect."""
    assert SimpleJWT().url == "/api/token/refresh/"
    assert prepare_json(SimpleJWT()) == {"refresh": "old-refresh"}


def test_simplejwt_answers_with_or_without_rotation() -> None:
    """ROTATE_REFRESH_TOKENS decides."""
    assert read(SimpleJWT(), 200, {"access": "new"}) == Token("new")
    assert read(SimpleJWT(), 200, {"access": "new", "refresh": "r2"}) == Token("new", "r2")


def test_simplejwt_refuses_with_401_and_a_missing_field_is_no_refusal() -> None:
    """A 400 keeps the tokens."""
    with pytest.raises(RefreshRejected):
        read(SimpleJWT(), 401, NOT_VALID)
    with pytest.raises(RefreshUnavailable):
        read(SimpleJWT(), 400, {"refresh": ["This field is required."]})


def test_simplejwt_says_expired_by_code_in_any_language() -> None:
    """`detail` is translated, `code` is not."""
    when = SimpleJWT()
    assert says_expired(when, 401, {**NOT_VALID, "detail": "Le jeton a expir\u00e9"})
    assert says_expired(when, 403, NOT_VALID)  # SessionAuthentication listed first
    assert not says_expired(when, 401, {"detail": "User is inactive", "code": "user_inactive"})
    assert not says_expired(when, 401, {"detail": "No credentials were provided."})


# --- Flask-JWT-Extended ----------------------------------------------------------------------


def test_flask_takes_the_refresh_token_in_the_header_and_no_body() -> None:
    """Its default JWT_TOKEN_LOCATION."""
    request = prepare(FlaskJWTExtended())
    assert FlaskJWTExtended().url == "/refresh"
    assert (request.method, request.body) == ("POST", None)
    assert request.headers["Authorization"] == "Bearer old-refresh"


def test_flask_answers_with_an_access_token_alone() -> None:
    """The refresh token is not rotated."""
    assert read(FlaskJWTExtended(), 200, {"access_token": "new"}) == Token("new")


@pytest.mark.parametrize(
    ("status", "text"), [(401, "Token has been revoked"), (422, "Not enough segments")]
)
def test_flask_refuses_with_401_and_garbage_with_422(status: int, text: str) -> None:
    """Both forget the tokens."""
    with pytest.raises(RefreshRejected):
        read(FlaskJWTExtended(), status, {"msg": text})


def test_flask_says_expired_and_other_401s_are_not_cured_by_a_refresh() -> None:
    """The message tells them apart."""
    assert says_expired(FlaskJWTExtended(), 401, {"msg": "Token has expired"})
    assert not says_expired(FlaskJWTExtended(), 401, {"msg": "Fresh token required"})
    assert not says_expired(FlaskJWTExtended(), 401, {"error": "Token has expired"})


def test_flask_may_have_another_message_key() -> None:
    """Its setting JWT_ERROR_MESSAGE_KEY; a rule of one's own goes before it."""
    assert says_expired(FlaskJWTExtended(message_key="error"), 401, {"error": "Token has expired"})
    own = FlaskJWTExtended(message_key="error", when=any_401)
    assert own.when == any_401


def test_a_flask_preset_can_be_changed_without_losing_its_message_key() -> None:
    """dataclasses.replace keeps it."""
    changed = dataclasses.replace(FlaskJWTExtended(message_key="error"), url="/v2/refresh")
    assert changed.when == json_field("error", "Token has expired")


# --- Directus --------------------------------------------------------------------------------


def test_directus_is_asked_for_json_and_answers_below_data() -> None:
    """mode "json"; the tokens are fields of `data`."""
    sent = prepare_json(Directus())
    assert sent == {"refresh_token": "old-refresh", "mode": "json"}
    data = {"access_token": "new", "expires": 900000, "refresh_token": "r2"}
    assert read(Directus(), 200, {"data": data}) == Token("new", "r2")


def test_directus_tells_by_code() -> None:
    """Expired and refused each have a code of their own."""

    def errors(code: str) -> Any:
        return {"errors": [{"message": "No.", "extensions": {"code": code}}]}

    assert says_expired(Directus(), 401, errors("TOKEN_EXPIRED"))
    assert not says_expired(Directus(), 401, errors("INVALID_CREDENTIALS"))
    with pytest.raises(RefreshRejected):
        read(Directus(), 401, errors("INVALID_CREDENTIALS"))
    with pytest.raises(RefreshUnavailable):
        read(Directus(), 400, errors("INVALID_PAYLOAD"))


# --- ASP.NET Core Identity -------------------------------------------------------------------


def test_aspnet_speaks_camel_case(clock: Clock) -> None:
    """In the request and in the response."""
    sent = prepare_json(ASPNETCoreIdentity())
    assert sent == {"refreshToken": "old-refresh"}
    response = {"tokenType": "Bearer", "accessToken": "a", "expiresIn": 3600, "refreshToken": "r2"}
    token = read(ASPNETCoreIdentity(), 200, response)
    assert (token.access, token.refresh) == ("a", "r2")
    assert token.expires_at == pytest.approx(clock.time() + 3600, abs=0.01)


def test_aspnet_says_expired_and_refused_with_a_bare_challenge() -> None:
    """Its 401 has no body."""
    assert says_expired(ASPNETCoreIdentity(), 401, None, "Bearer")
    assert not says_expired(ASPNETCoreIdentity(), 401, None, "Negotiate")
    with pytest.raises(RefreshRejected):
        read(ASPNETCoreIdentity(), 401, None)


# --- Express ---------------------------------------------------------------------------------


def test_express_speaks_camel_case_and_gives_no_reason() -> None:
    """Any 401 counts as expired."""
    endpoint = Express("/auth/refresh")
    assert prepare_json(endpoint) == {"refreshToken": "old-refresh"}
    response = {"accessToken": "new", "refreshToken": "r2"}
    assert read(endpoint, 200, response) == Token("new", "r2")
    assert says_expired(endpoint, 401, {"message": "jwt expired"})


@pytest.mark.parametrize("preset", ALL, ids=lambda preset: type(preset).__name__)
def test_a_head_is_refreshed_with_each_preset(preset: Endpoint) -> None:
    """Its 401 has the server's headers and no body that could say why."""
    response = requests.Response()
    response.status_code = 401
    response.headers["WWW-Authenticate"] = "Bearer"
    response._content = b""  # noqa: SLF001 - as requests' own tests do
    response.request = requests.Request("HEAD", "https://h/").prepare()
    assert preset.when(response)
    response.status_code = 200
    assert not preset.when(response)
