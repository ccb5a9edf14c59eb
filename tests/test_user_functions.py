"""login=, callable endpoints and callbacks: checked when given; an error names the user's line."""

from __future__ import annotations

import functools
import inspect
import json
import logging
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    JWTRefreshAdapter,
    JWTRefreshError,
    MemoryStore,
    RefreshRejected,
    RefreshUnavailable,
    Token,
    mount,
)
from requests_jwt_refresh.refresh.user_functions import call_user_function, describe_error
from requests_jwt_refresh.testing import AuthServer, Status
from tests.support.decorators import Wrapper, opaque, with_client, wrapping
from tests.support.users import ENDPOINT, catch_unavailable, store

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["store"]  # a fixture

API = "https://api.example.com"
SECRET = "eyJhbGciOiJIUzI1NiJ9"
FILE = "test_user_functions.py"


def line_of(function: Callable[..., object], offset: int) -> int:
    """Return a line's number, counted from the one with ``def``."""
    return inspect.getsourcelines(function)[1] + offset


def fail(function: Callable[..., Any], *, is_login: bool = True) -> JWTRefreshError:
    """Return what a call of the user's function fails with."""
    with pytest.raises(JWTRefreshError) as caught:
        call_user_function("login", function, requests.Session(), is_login=is_login)
    return caught.value


# --- The line that is named ----------------------------------------------------------------------


def log_in(session: Any) -> Token:
    """Fail in the standard library, called from here."""
    found = json.loads("<html>" + SECRET)
    return Token(found["access_token"], session)


class Account:
    """Logs in by a method, and by being called."""

    def log_in(self, _session: Any) -> Token:
        return Token(str(int(SECRET)))

    __call__ = log_in

    @classmethod
    def of_class(cls, session: Any) -> Token:
        return cls().log_in(session)

    @staticmethod
    def of_nobody(_session: Any) -> Token:
        return Token(str(int(SECRET)))


FAILING: dict[str, tuple[Callable[..., Any], int, str]] = {
    "function": (log_in, line_of(log_in, 2), "log_in"),
    "wrapped": (wrapping(log_in), line_of(log_in, 2), "log_in"),
    "wrapped twice": (wrapping(opaque(log_in)), line_of(log_in, 2), "log_in"),
    "wrapped without a word": (opaque(log_in), line_of(log_in, 2), "log_in"),
    "wrapped in an object": (Wrapper(log_in), line_of(log_in, 2), "log_in"),
    "partial": (functools.partial(log_in), line_of(log_in, 2), "log_in"),
    "partial of a partial": (
        functools.partial(functools.partial(wrapping(log_in))),
        line_of(log_in, 2),
        "log_in",
    ),
    "method": (Account().log_in, line_of(Account.log_in, 1), "log_in"),
    "callable object": (Account(), line_of(Account.log_in, 1), "log_in"),
    "classmethod": (Account.of_class, line_of(Account.log_in, 1), "log_in"),
    "staticmethod": (Account.of_nobody, line_of(Account.of_nobody, 2), "of_nobody"),
}


@pytest.mark.parametrize("name", FAILING)
def test_the_last_line_of_the_users_function_is_named(name: str) -> None:
    """Neither our frame nor one of the library that it called; and no text of the exception."""
    function, line, where = FAILING[name]
    failure = fail(function)
    assert failure.cause.startswith("login failed with ")
    assert failure.cause.endswith(f" at {FILE}, line {line}, in {where}")
    assert SECRET not in str(failure)


def test_a_lambda_has_a_line_too() -> None:
    """However short it is."""
    failure = fail(lambda _session: Token(str(int(SECRET))))
    line = line_of(test_a_lambda_has_a_line_too, 2)
    assert failure.cause == f"login failed with ValueError at {FILE}, line {line}, in <lambda>"


def test_a_helper_in_another_module_is_called_by_the_function(tmp_path: Any) -> None:
    """The line of the function is named, and not one of the helper's, wherever that is."""
    source = tmp_path / "helper_of_the_user.py"
    source.write_text("def parse(text):\n    return int(text)\n")
    helper: dict[str, Any] = {}
    exec(compile(source.read_text(), str(source), "exec"), helper)

    def login(_session: Any) -> Token:
        return Token(helper["parse"](SECRET))

    failure = fail(login)
    assert failure.cause.endswith(f"{FILE}, line {line_of(login, 1)}, in login")


@pytest.mark.parametrize("parts", [("site-packages", "acme"), ("lib",)], ids="/".join)
def test_a_function_of_a_package(tmp_path: Any, parts: tuple[str, ...]) -> None:
    """A company's own package is installed beside requests, and its line is named all the same."""
    source = tmp_path.joinpath(*parts, "acme_login.py")
    source.parent.mkdir(parents=True)
    source.write_text("import json\ndef login(session):\n    return json.loads('<')\n")
    module: dict[str, Any] = {}
    exec(compile(source.read_text(), str(source), "exec"), module)
    assert fail(module["login"]).cause.endswith(" at acme_login.py, line 3, in login")


def test_a_function_in_c_has_no_line() -> None:
    """Then none is named."""
    failure = fail([].index)
    assert failure.cause == "login failed with ValueError"


def test_a_callable_that_is_never_done_unwrapping() -> None:
    """Objects that wrap themselves, or have every attribute, are no trap."""

    def login(_session: Any) -> Token:
        raise LookupError(SECRET)

    line = line_of(login, 1)
    vars(login)["__wrapped__"] = login
    assert f"line {line}" in fail(login).cause


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("{}['access_token']", "KeyError 'access_token'"),
        ("None.json()", "AttributeError 'json'"),
        ("undefined_name", "NameError 'undefined_name'"),
        (f"{{}}[{SECRET!r}.upper()]", "KeyError"),
        ("getattr(None, 'secret'.upper())", "AttributeError"),
    ],
)
def test_a_name_that_the_line_spells_out(expression: str, named: str) -> None:
    """A misspelt field is the commonest mistake. What the code does not spell out stays unsaid."""
    login = eval(f"lambda session: {expression}")
    assert fail(login).cause.startswith(f"login failed with {named} at <string>, line 1")


def test_a_text_that_the_code_has_put_in_stays_unsaid() -> None:
    """An error that the user raises may say anything."""

    def login(_session: Any) -> Token:
        raise KeyError("hunter2")

    assert "hunter2" not in str(fail(login))


def test_an_error_of_ours_keeps_its_words() -> None:
    """No error of this library shows a token, so its text says what is wrong with one."""
    failure = fail(lambda _session: Token(f"{SECRET}\n"))
    assert "failed with InvalidToken at" in failure.cause
    assert "the access token is empty, has a line break" in failure.cause
    assert failure.remedy == "give the token alone, as the server wrote it"
    assert SECRET not in str(failure)


def test_an_error_without_a_users_frame_has_ours() -> None:
    """For a report on a fault of this library."""
    with pytest.raises(ValueError, match="no refresh token") as caught:
        ENDPOINT.ask(API, Token("access"))
    error = caught.value
    assert error.__traceback__ is not None
    error.__traceback__ = error.__traceback__.tb_next  # without the line of this test
    assert " at endpoint_options.py, line " in describe_error(error)


@pytest.mark.parametrize("role", ["endpoint", "login"])
def test_the_line_reaches_the_caller(
    server: AuthServer, session: requests.Session, store: MemoryStore, role: str
) -> None:
    """Through the refresh and its thread, up to the request."""

    def ask(own: requests.Session, _token: object = None) -> Token:
        found = own.get(f"{server.url}/health", timeout=5).json()
        return Token(found["access_token"])

    if role == "endpoint":
        mount(session, server.url, ask, store)
    else:
        mount(session, server.url, ENDPOINT, store, login=ask)
        server.revoke()
    server.expire()
    place = f"at {FILE}, line {line_of(ask, 2)}, in ask"
    assert place in catch_unavailable(session).cause


def test_a_callback_that_raises_has_a_line(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is only logged, so that line is all that the user will see of it."""
    done = threading.Event()

    def on_refresh(_token: Token) -> None:
        done.set()
        raise LookupError(SECRET)

    mount(session, server.url, ENDPOINT, store, on_refresh=on_refresh)
    server.expire()
    assert session.get("/api/x").status_code == 200
    assert done.is_set()
    error = next(each for each in caplog.records if each.levelno == logging.ERROR)
    place = f"{FILE}, line {line_of(on_refresh, 2)}, in on_refresh"
    assert error.getMessage().endswith(f"on_refresh raised LookupError at {place}")


# --- 401 and 403 ---------------------------------------------------------------------------------


def answer(status: int) -> Callable[..., Any]:
    """Return a login that raises for a response with this status."""

    def login(_session: Any) -> Token:
        response = requests.Response()
        response.status_code = status
        response.url = f"{API}/login?password={SECRET}"
        response.raise_for_status()
        return Token("unreached")

    return login


@pytest.mark.parametrize("status", [401, 403])
def test_a_login_that_the_server_refuses(status: int) -> None:
    """raise_for_status() in a login says no, and the error says where."""
    failure = fail(answer(status))
    assert type(failure) is RefreshRejected
    assert f"login failed with HTTPError ({status}) at {FILE}" in failure.cause
    assert failure.response is None
    assert "password" not in failure.cause


@pytest.mark.parametrize("status", [400, 404, 422, 429, 500, 503])
def test_a_login_that_gets_another_error(status: int) -> None:
    """Every other status leaves it open, and RefreshRejected is how to say no."""
    failure = fail(answer(status))
    assert type(failure) is RefreshUnavailable
    again = "try again later" if status == 429 or status >= 500 else "look at that line"
    assert failure.remedy == f"{again}; to say that the server refused, raise RefreshRejected"


@pytest.mark.parametrize("status", [401, 403])
def test_in_an_endpoint_function_it_is_no_refusal(status: int) -> None:
    """It may be another server's 401; forgetting the tokens takes a RefreshRejected."""
    failure = fail(answer(status), is_login=False)
    assert type(failure) is RefreshUnavailable
    assert failure.remedy.startswith("the tokens are kept; ")
    assert failure.remedy.endswith("to say that the server refused, raise RefreshRejected")


def test_a_401_that_is_not_raised_by_requests() -> None:
    """An error of the user's own that carries a response says nothing by that."""

    def login(_session: Any) -> Token:
        error = LookupError(SECRET)
        vars(error)["response"] = requests.Response()
        error.response.status_code = 401  # type: ignore[attr-defined]
        raise error

    assert type(fail(login)) is RefreshUnavailable


def test_the_password_is_wrong(server: AuthServer, session: requests.Session) -> None:
    """A refused first login: the API's own answer, and no second login at once."""
    calls = []

    def login(own: requests.Session) -> Token:
        calls.append(1)
        own.get(f"{server.url}/api/x").raise_for_status()
        return Token("unreached")

    adapter = mount(session, server.url, ENDPOINT, MemoryStore(), login=login)
    assert session.get("/api/x").json() == {"message": "No token"}
    with pytest.raises(RefreshRejected, match=r"HTTPError \(401\) at"):
        adapter.valid_token()


def test_a_401_in_an_endpoint_function_keeps_the_tokens(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """No logout by mistake."""

    def refresh(own: requests.Session, _token: Token) -> Token:
        own.get(f"{server.url}/api/x").raise_for_status()
        return Token("unreached")

    before = store.load()
    mount(session, server.url, refresh, store)
    server.expire()
    assert "raise RefreshRejected" in catch_unavailable(session).remedy
    assert store.load() == before


def test_nothing_is_kept_at_a_first_login(server: AuthServer, session: requests.Session) -> None:
    """There are no tokens, so nothing is said of them."""

    def login(_session: requests.Session) -> Token:
        raise RefreshUnavailable("closed on Sundays")

    mount(session, server.url, ENDPOINT, MemoryStore(), login=login)
    with pytest.raises(RefreshUnavailable, match=r"^closed on Sundays\. Try again later$"):
        session.get("/api/x")


# --- What is returned ----------------------------------------------------------------------------


async def log_in_async(_session: Any) -> Token:
    return Token("unreached")


@pytest.mark.parametrize(
    ("returned", "named", "advice"),
    [
        (None, "None, not a Token", "Token(access, refresh)"),
        (SECRET, "a str, not a Token", "Token(access) if that is the access token"),
        (
            {"access_token": SECRET},
            "a dict, not a Token",
            "Token(found['access_token'], found.get('refresh_token'))",
        ),
        (
            {"accessToken": SECRET, "refreshToken": SECRET},
            "a dict",
            "Token(found['accessToken'], found.get('refreshToken'))",
        ),
        ({SECRET: SECRET}, "a dict", "Token(found['access_token'], found.get('refresh_token'))"),
        ((SECRET, SECRET), "a tuple", "Token(access, refresh)"),
        (requests.Response(), "a Response", "found = response.json()"),
        (Token, "the class Token", "Token(access, refresh)"),
        (Token(None, SECRET), "a Token without an access token", "return a Token with"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_token(returned: object, named: str, advice: str) -> None:
    """What was returned is said by its kind, and how to make a Token of it."""
    failure = fail(lambda _session: returned)
    assert failure.cause.startswith(f"login returned {named}")
    assert advice in failure.remedy
    assert failure.remedy.startswith("return a Token")
    assert SECRET not in str(failure)


@pytest.mark.filterwarnings("error")
def test_a_coroutine_is_no_token() -> None:
    """Behind a decorator it cannot be told before; and Python does not complain about it later."""
    failure = fail(opaque(log_in_async))
    assert failure.cause == "login returned a coroutine, not a Token"
    assert "not async" in failure.remedy


# --- What is found when the adapter is made ------------------------------------------------------


class Called:
    """An object that can be called with one argument."""

    def __call__(self, _one: object) -> Any:
        return None

    def method(self, _one: object) -> Any:
        return None

    async def asynchronous(self, _one: object) -> Any:
        return None


class CalledAsync:
    async def __call__(self, _one: object) -> Any:
        return None


def three(_one: object, _two: object, _three: object) -> Any:
    return None


def generator(_one: object) -> Any:
    yield


async def async_generator(_one: object) -> Any:
    yield


@with_client
def needs_a_client(_session: object, _client: object) -> Any:
    return None


TAKES_ONE: list[Any] = [
    lambda _one: None,
    lambda *_args: None,
    lambda _one=None, *, _other=None: None,
    Called(),
    Called().method,
    functools.partial(three, 1, 2),
    functools.partial(three, _two=2, _three=3),
    functools.partial(Called.method, Called()),
    needs_a_client,
    opaque(three),
    print,
    [].append,
    int,
    getattr,  # a function in C that says nothing of its parameters
]
TAKES_ANOTHER_NUMBER: list[Any] = [
    lambda: None,
    lambda _one, _two: None,
    lambda _one, *, password: password,
    lambda *, session: session,
    three,
    functools.partial(three, 1),
    functools.partial(three, _one=1),
    Called.method,
    wrapping(three),
]
ASYNC: list[Any] = [
    log_in_async,
    functools.partial(log_in_async),
    Called().asynchronous,
    CalledAsync(),
    generator,
    async_generator,
]
OPTIONS = ["login", "on_refresh", "on_logout"]


def make(**options: Any) -> JWTRefreshAdapter:
    return JWTRefreshAdapter(API, ENDPOINT, MemoryStore(), **options)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("function", TAKES_ONE[:-2])
def test_what_takes_one_argument_is_taken(option: str, function: Any) -> None:
    """Functions, methods, partials, objects; a decorator's own parameters are what counts."""
    make(**{option: function})


@pytest.mark.parametrize("option", ["on_refresh", "on_logout"])
@pytest.mark.parametrize("function", TAKES_ONE[-2:])
def test_a_class_or_a_function_in_c_is_taken_as_a_callback(option: str, function: Any) -> None:
    """Only what certainly fails is refused."""
    make(**{option: function})


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("function", TAKES_ANOTHER_NUMBER[:-1])
def test_a_wrong_number_of_parameters(option: str, function: Any) -> None:
    """It is found when the adapter is made, and not in the night when the token expires."""
    with pytest.raises(TypeError, match=rf"^{option} is called with \(") as caught:
        make(**{option: function})
    assert "0x" not in str(caught.value)


def test_a_decorator_that_takes_anything_is_taken() -> None:
    """What it hands on cannot be known."""
    make(login=TAKES_ANOTHER_NUMBER[-1])


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("function", ASYNC)
def test_an_async_function_or_a_generator(option: str, function: Any) -> None:
    """A call would return a coroutine that nothing awaits."""
    with pytest.raises(TypeError, match=rf"^{option} must be a plain function .* is async or a"):
        make(**{option: function})


def refresh_with(session: object, token: object) -> Token:
    raise NotImplementedError((session, token))


def test_an_endpoint_function_takes_two() -> None:
    """The session and the token."""
    JWTRefreshAdapter(API, refresh_with, MemoryStore())
    for wrong in (three, lambda _token: None, log_in_async):
        with pytest.raises(TypeError, match=r"\(session, token\)"):
            JWTRefreshAdapter(API, wrong, MemoryStore())  # type: ignore[arg-type]


def test_the_text_shows_names_and_no_defaults() -> None:
    """A default may be a password."""

    def log_in_as(user: str, password: str = "hunter2", *_more: str, pin: int = 4711) -> Any:
        return user, password, pin

    for function in (lambda s, t, u, password="hunter2": (s, t, u, password), log_in_as):
        with pytest.raises(TypeError) as caught:
            make(on_refresh=log_in_as if function is log_in_as else function, login=lambda: None)
        assert "hunter2" not in str(caught.value)
    with pytest.raises(TypeError) as caught:
        make(login=functools.partial(three, "hunter2"))
    assert str(caught.value) == (
        "login is called with (session), but the partial of three takes (_two, _three): write it "
        "so that it takes (session), or fill in the others with functools.partial"
    )


def test_a_type_error_inside_the_function_is_no_wrong_number(
    server: AuthServer, session: requests.Session
) -> None:
    """It is told by its line, as every other error of the function is."""

    def login(_session: requests.Session) -> Token:
        return three(1)  # type: ignore[call-arg, no-any-return]

    mount(session, server.url, ENDPOINT, MemoryStore(), login=login)
    with pytest.raises(RefreshUnavailable, match="login failed with TypeError at") as caught:
        session.get("/api/x")
    assert f"line {line_of(login, 1)}, in login" in caught.value.cause


# --- No token to ask with ------------------------------------------------------------------------


def test_no_token_has_a_public_name(session: requests.Session) -> None:
    """A traceback shows the class: it can be imported, pickled and caught."""
    adapter = mount(session, API, ENDPOINT, MemoryStore())
    with pytest.raises(RefreshRejected, match="there is no token") as caught:
        adapter.refresh()
    assert type(caught.value) is RefreshRejected
    assert caught.value.nothing_to_refresh
    last = traceback.format_exception_only(caught.value)[-1]
    assert last.startswith("requests_jwt_refresh.errors.RefreshRejected: there is no token")


def test_a_refusal_is_another_thing(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Then there was a token, which on_logout is told about."""
    lost: list[RefreshRejected] = []
    adapter = mount(session, server.url, ENDPOINT, store, on_logout=lost.append)
    server.fail(Status(401), on="refresh")
    with pytest.raises(RefreshRejected):
        adapter.refresh()
    assert [each.nothing_to_refresh for each in lost] == [False]
    with pytest.raises(RefreshRejected):
        adapter.refresh()
    assert len(lost) == 1
