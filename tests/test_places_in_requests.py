"""What holds for Authorization: Bearer holds for any header and any cookie that carries the token.

By attack: callers with headers, cookies and auth objects of their own, redirects, netrc, copies.
"""

from __future__ import annotations

import copy
import io
import logging
import pickle
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.auth import HTTPBasicAuth, HTTPDigestAuth

from requests_jwt_refresh import (
    FileStore,
    JSONEndpoint,
    JWTRefreshAdapter,
    JWTRefreshError,
    MemoryStore,
    Token,
    anonymous,
    cookie,
    header,
    mount,
)
from requests_jwt_refresh.authorization import Cookie
from tests.support.place_server import api, elsewhere
from tests.support.servers.clients import in_threads
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from requests_jwt_refresh.authorization import Header
    from tests.support.place_server import PlaceServer, Seen

__all__ = ["api", "elsewhere"]  # fixtures

ENDPOINT = JSONEndpoint("/refresh")
BEARER = header()
SCHEME = header(scheme="JWT")
BARE = header(scheme=None)
X_HEADER = header("X-Access-Token")
COOKIE = cookie("token")
CSRF = cookie("token", csrf=("csrf", "X-CSRF"))
PLACES = {
    "Bearer": BEARER,
    "JWT": SCHEME,
    "bare": BARE,
    "X-": X_HEADER,
    "X- and a scheme": header("X-Access-Token", "Token"),
    "cookie": COOKIE,
    "cookie and csrf": CSRF,
}
OWN_HEADER = {name: place for name, place in PLACES.items() if "X-" in name}
COOKIES = {name: place for name, place in PLACES.items() if "cookie" in name}
AUTHORIZATION = {
    name: place for name, place in PLACES.items() if name not in {*OWN_HEADER, *COOKIES}
}


def each(places: dict[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("place", places.values(), ids=places)


def log_in(api: PlaceServer, place: Header | Cookie) -> Token:
    token = api.log_in()
    extra = {"cookies": {"csrf": "csrf-1"}} if place == CSRF else {}
    return Token(token.access, token.refresh, extra=extra)


def carry(
    session: requests.Session, api: PlaceServer, place: Header | Cookie, **options: Any
) -> JWTRefreshAdapter:
    """Mount an adapter whose token travels in `place`."""
    store = MemoryStore(log_in(api, place))
    return mount(session, api.url, ENDPOINT, store, attach=place, **options)


def read_token(seen: Seen, place: Header | Cookie) -> list[str]:
    """Return the tokens that stand in `place`: there must never be two."""
    if isinstance(place, Cookie):
        pairs = (pair.partition("=") for pair in seen.cookies())
        return [value for name, _, value in pairs if name == place.name]
    prefix = f"{place.scheme} " if place.scheme else ""
    values = seen.all(place.name)
    assert all(value.startswith(prefix) for value in values)
    return [value.removeprefix(prefix) for value in values]


def get(session: requests.Session, path: str = "/x", **options: Any) -> requests.Response:
    return session.get(path, timeout=WAIT, **options)


@pytest.fixture
def netrc(
    session: requests.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> requests.Session:
    """A session that finds an entry for every host in its netrc."""
    path = tmp_path / "netrc"
    path.write_text("default login netrc password secret\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    monkeypatch.setenv("NO_PROXY", "*")
    session.trust_env = True
    return session


# --- The token is there, once, and the current one -----------------------------------------------


@each(PLACES)
def test_the_token_stands_in_its_place_alone(
    session: requests.Session, api: PlaceServer, place: Any
) -> None:
    """Once, and nowhere else."""
    carry(session, api, place)
    assert get(session).status_code == 200
    (seen,) = api.seen
    assert read_token(seen, place) == [api.good]
    assert sum(value.count(api.good) for _, value in seen.fields) == 1


@each(PLACES)
def test_the_resent_request_has_the_new_token_alone(
    session: requests.Session, api: PlaceServer, place: Any
) -> None:
    """A stale one is replaced, not joined, in whatever the caller sends besides."""
    carry(session, api, place)
    old = api.good
    api.expire()
    headers = {"Cookie": "a=1; b=2", "X-Other": "kept"}
    assert get(session, headers=headers).status_code == 200
    first, second = api.calls()
    assert read_token(first, place) == [old]
    assert read_token(second, place) == [api.good]
    assert second.all("X-Other") == ["kept"]
    assert second.cookies()[:2] == ["a=1", "b=2"]
    assert old not in str(second.fields)


@each(PLACES)
def test_16_threads_share_one_refresh(
    session: requests.Session, api: PlaceServer, place: Any
) -> None:
    carry(session, api, place, pool_maxsize=16)
    api.expire()
    assert in_threads(lambda: get(session).status_code, 16) == [200] * 16
    assert api.refreshes() == 1


# --- Whose it is (R4) ----------------------------------------------------------------------------


@each(PLACES)
@pytest.mark.parametrize("value", ["stale", b"stale"], ids=["text", "bytes"])
def test_a_stale_token_of_the_callers_is_replaced(
    session: requests.Session, api: PlaceServer, place: Any, value: str | bytes
) -> None:
    """In the place itself, in any case of the header's name; the caller's object keeps it."""
    carry(session, api, place)
    stale = dict_of_stale(place, value)
    request = session.prepare_request(requests.Request("GET", "/x", headers=stale))
    before = dict(request.headers)
    assert session.send(request, timeout=WAIT).status_code == 200
    assert read_token(api.seen[-1], place) == [api.good]
    assert "stale" not in str(api.seen[-1].fields)
    assert dict(request.headers) == before


def dict_of_stale(place: Any, value: str | bytes) -> dict[str, Any]:
    """Return the header in which a caller wrote an old token by hand."""
    text = value.decode() if isinstance(value, bytes) else value
    if place in {COOKIE, CSRF}:
        name, text = "cookie", f"token={text}"
    else:
        name, text = place.name.lower(), f"{place.scheme} {text}" if place.scheme else text
    return {name: text.encode() if isinstance(value, bytes) else text}


@each({**OWN_HEADER, **COOKIES})
def test_an_authorization_beside_it_is_passed_on(
    session: requests.Session, api: PlaceServer, place: Any
) -> None:
    """Basic for a gateway in front, and the token where the API wants it."""
    carry(session, api, place)
    api.expire()
    basic = HTTPBasicAuth("gateway", "secret")
    assert get(session, auth=basic).status_code == 200
    for seen in api.calls():
        assert seen.all("Authorization") == ["Basic Z2F0ZXdheTpzZWNyZXQ="]
    assert read_token(api.calls()[-1], place) == [api.good]


@each(AUTHORIZATION)
def test_another_scheme_of_the_callers_is_left_alone(
    session: requests.Session, api: PlaceServer, place: Any
) -> None:
    """Neither token nor refresh: the caller authenticates this one."""
    carry(session, api, place)
    assert get(session, auth=HTTPBasicAuth("me", "secret")).status_code == 401
    assert api.seen[-1].all("Authorization") == ["Basic bWU6c2VjcmV0"]
    assert api.refreshes() == 0


@each(AUTHORIZATION)
def test_netrc_is_no_callers_choice(netrc: requests.Session, api: PlaceServer, place: Any) -> None:
    """What requests took from netrc gives way to the token."""
    carry(netrc, api, place)
    api.expire()
    assert get(netrc).status_code == 200
    assert read_token(api.calls()[-1], place) == [api.good]
    assert "bmV0cmM6c2VjcmV0" not in str(api.seen)  # netrc:secret


@each({**OWN_HEADER, **COOKIES})
def test_netrc_beside_it_does_no_harm(
    netrc: requests.Session, api: PlaceServer, place: Any
) -> None:
    """The token is there all the same, and is refreshed."""
    carry(netrc, api, place)
    api.expire()
    assert get(netrc).status_code == 200
    assert read_token(api.calls()[-1], place) == [api.good]
    assert api.refreshes() == 1
    (refresh,) = [each for each in api.seen if each.path == "/refresh"]
    assert refresh.all("Authorization") == []


@each(PLACES)
def test_anonymous_goes_without(session: requests.Session, api: PlaceServer, place: Any) -> None:
    """In any place; nothing is refreshed either."""
    carry(session, api, place)
    assert get(session, auth=anonymous).status_code == 401
    assert api.good not in str(api.seen[-1].fields)
    assert api.refreshes() == 0


@each(PLACES)
def test_an_auth_that_answers_challenges_is_left_alone(
    session: requests.Session, api: PlaceServer, place: Any
) -> None:
    """Digest resends by itself."""
    carry(session, api, place)
    api.refusal_fields = [("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')]
    api.expire()
    assert get(session, auth=HTTPDigestAuth("me", "secret")).status_code == 401
    assert [seen.method for seen in api.calls()] == ["GET", "GET"]
    assert api.calls()[-1].all("Authorization")[0].startswith("Digest ")
    assert api.refreshes() == 0


# --- Cookies beside it ---------------------------------------------------------------------------


@each(COOKIES)
def test_cookies_of_the_session_stay_beside_it(
    session: requests.Session, api: PlaceServer, place: Any
) -> None:
    """Whatever the jar has goes along, but for a cookie of the token's name."""
    carry(session, api, place)
    session.cookies.set("theme", "dark")
    session.cookies.set("token", "stale")
    api.expire()
    assert get(session, cookies={"once": "1"}).status_code == 200
    for seen in api.calls():
        names = [pair.partition("=")[0] for pair in seen.cookies()]
        assert sorted(set(names) - {"csrf"}) == ["once", "theme", "token"]
        assert len(names) == len(set(names))
        assert "stale" not in str(seen.fields)
    assert session.cookies.get("token") == "stale"


@each(COOKIES)
@pytest.mark.parametrize(
    "line", ["token=from-the-401", "token=; Max-Age=0", 'token=""; Path=/', "token=x; Path=/x"]
)
def test_a_401_that_sets_the_same_cookie_changes_nothing(
    session: requests.Session, api: PlaceServer, place: Any, line: str
) -> None:
    """Many servers delete the cookie with the 401: what is sent next has the token all the same."""
    carry(session, api, place)
    api.refusal_fields = [("Set-Cookie", line)]
    api.expire()
    assert get(session).status_code == 200
    assert get(session).status_code == 200
    assert [read_token(seen, place) for seen in api.calls()[1:]] == [[api.good]] * 2
    assert api.refreshes() == 1


@each(PLACES)
def test_a_cookie_that_the_401_sets_goes_along(
    session: requests.Session, api: PlaceServer, place: Any
) -> None:
    """As requests' own Digest does it: a session that the gateway opens with the 401, say."""
    carry(session, api, place)
    api.refusal_fields = [("Set-Cookie", "gateway=1"), ("Set-Cookie", "token=; Max-Age=0")]
    api.expire()
    assert get(session).status_code == 200
    resent = api.calls()[-1]
    assert "gateway=1" in resent.cookies()
    assert read_token(resent, place) == [api.good]


def test_the_double_submit_is_the_tokens_own(session: requests.Session, api: PlaceServer) -> None:
    """Header and cookie agree, whatever an old cookie of the session's says."""
    carry(session, api, CSRF)
    session.cookies.set("csrf", "stale")
    assert session.post("/x", timeout=WAIT).status_code == 200
    (seen,) = api.seen
    assert seen.all("X-CSRF") == ["csrf-1"]
    assert [pair for pair in seen.cookies() if pair.startswith("csrf=")] == ["csrf=csrf-1"]


def test_the_double_submit_of_the_sessions_own_cookie(
    session: requests.Session, api: PlaceServer
) -> None:
    """Where none came with the token, the session's is repeated."""
    mount(session, api.url, ENDPOINT, MemoryStore(api.log_in()), attach=CSRF)
    session.cookies.set("csrf", "from-the-jar")
    assert session.post("/x", timeout=WAIT).status_code == 200
    assert api.seen[-1].all("X-CSRF") == ["from-the-jar"]


@pytest.mark.parametrize("field", [None, 5, "text", ["a"], {"x": 5}, {"csrf": 5}], ids=repr)
def test_a_field_called_cookies_is_the_servers_own(
    session: requests.Session, api: PlaceServer, field: Any
) -> None:
    """It is kept as it came, and the cookie of the double submit is found all the same."""
    adapter = carry(session, api, CSRF)
    api.answer_fields = {"cookies": field}
    api.answer_headers = [("Set-Cookie", "csrf=csrf-2; Path=/")]
    api.expire()
    assert session.post("/x", timeout=WAIT).status_code == 200
    assert api.seen[-1].all("X-CSRF") == ["csrf-2"]
    assert adapter.token is not None
    if not isinstance(field, dict):
        assert adapter.token.extra["cookies"] == field


def test_without_a_value_there_is_no_double_submit(
    session: requests.Session, api: PlaceServer
) -> None:
    """No empty header; one of the caller's stays."""
    mount(session, api.url, ENDPOINT, MemoryStore(api.log_in()), attach=CSRF)
    assert session.post("/x", timeout=WAIT).status_code == 200
    assert api.seen[-1].all("X-CSRF") == []
    assert session.post("/x", headers={"X-CSRF": "mine"}, timeout=WAIT).status_code == 200
    assert api.seen[-1].all("X-CSRF") == ["mine"]


# --- Where it goes -------------------------------------------------------------------------------


@each(PLACES)
def test_a_redirect_to_another_host_takes_nothing_along(
    session: requests.Session, api: PlaceServer, elsewhere: PlaceServer, place: Any
) -> None:
    """With the adapter mounted everywhere, too, and after a refresh."""
    adapter = carry(session, api, place)
    session.mount("http://", adapter)
    old, api.goal = api.good, f"{elsewhere.url}/there"
    api.expire()
    assert get(session, "/go").status_code == 200
    (there,) = elsewhere.seen
    assert not {old, api.good} & {word for _, value in there.fields for word in split(value)}
    assert not [name for name, _ in there.fields if name in {"Cookie", "X-CSRF", "X-Access-Token"}]


def split(value: str) -> list[str]:
    return value.replace(";", " ").replace("=", " ").split()


@each(PLACES)
def test_a_redirect_to_our_own_host_takes_it_along(
    session: requests.Session, api: PlaceServer, place: Any
) -> None:
    """Each hop is the API's."""
    carry(session, api, place)
    api.goal = "/there"
    assert get(session, "/go").status_code == 200
    assert [seen.path for seen in api.seen] == ["/go", "/there"]
    assert [read_token(seen, place) for seen in api.seen] == [[api.good]] * 2


@each(PLACES)
def test_a_redirect_back_to_us_takes_it_along(
    session: requests.Session, api: PlaceServer, elsewhere: PlaceServer, place: Any
) -> None:
    """By way of another host, which sees nothing."""
    adapter = carry(session, api, place)
    session.mount("http://", adapter)
    api.goal, elsewhere.goal = f"{elsewhere.url}/go", f"{api.url}/back"
    assert get(session, "/go").status_code == 200
    assert api.good not in str(elsewhere.seen)
    assert read_token(api.seen[-1], place) == [api.good]


# --- Copies --------------------------------------------------------------------------------------


def pickled(session: requests.Session) -> requests.Session:
    found: requests.Session = pickle.loads(pickle.dumps(session))
    return found


@each(PLACES)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
def test_a_copied_session_carries_it_there_too(
    session: requests.Session,
    api: PlaceServer,
    place: Any,
    copied: Callable[[requests.Session], requests.Session],
    tmp_path: Path,
) -> None:
    """Copies, deep copies and pickles of the session."""
    store = FileStore(tmp_path / "token.json")
    store.save(log_in(api, place))
    mount(session, api.url, ENDPOINT, store, attach=place)
    with copied(session) as other:
        api.expire()
        assert get(other).status_code == 200
    assert read_token(api.calls()[-1], place) == [api.good]
    assert api.refreshes() == 1


@each(PLACES)
def test_the_callers_request_is_not_written_on(
    session: requests.Session, api: PlaceServer, place: Any
) -> None:
    """Nor does it see the new token, though the request is sent twice."""
    carry(session, api, place)
    request = session.prepare_request(requests.Request("POST", "/x", json={}))
    before = dict(request.headers)
    api.expire()
    assert session.send(request, timeout=WAIT).status_code == 200
    assert dict(request.headers) == before


# --- Bodies --------------------------------------------------------------------------------------


def numbers() -> Iterator[bytes]:
    yield from (b"1", b"2", b"3")


@each({"X-": X_HEADER, "cookie": CSRF})
def test_a_generator_is_never_sent_again_empty(
    session: requests.Session, api: PlaceServer, place: Any
) -> None:
    """The 401 is the caller's, the refresh has happened, and the next call works."""
    carry(session, api, place)
    api.expire()
    assert session.post("/x", data=numbers(), timeout=WAIT).status_code == 401
    assert [seen.body for seen in api.calls()] == [b"123"]
    assert session.post("/x", data=numbers(), timeout=WAIT).status_code == 200
    assert api.refreshes() == 1


@each({"X-": X_HEADER, "cookie": CSRF})
def test_a_file_is_sent_again_whole(
    session: requests.Session, api: PlaceServer, place: Any
) -> None:
    """From the caller's own offset."""
    carry(session, api, place)
    api.expire()
    file = io.BytesIO(b"skipped|sent")
    file.seek(8)
    assert session.post("/x", data=file, timeout=WAIT).status_code == 200
    assert [seen.body for seen in api.calls()] == [b"sent"] * 2


# --- Functions -----------------------------------------------------------------------------------


def sign(request: requests.PreparedRequest, token: Token) -> None:
    """Carry the token in two ways at once, one of them the query."""
    request.headers["X-Signed"] = f"{token.access}"
    request.url = f"{request.url}?key={token.access}"


def test_a_function_writes_on_each_copy_anew(session: requests.Session, api: PlaceServer) -> None:
    """The resent request has nothing of the first one's."""
    mount(session, api.url, ENDPOINT, MemoryStore(api.log_in()), attach=sign)
    old = api.good
    api.expire()
    response = get(session, headers={"Authorization": "Bearer stale"})
    assert response.status_code == 200
    assert [seen.path for seen in api.calls()] == [f"/x?key={old}", f"/x?key={api.good}"]
    assert [seen.all("X-Signed") for seen in api.calls()] == [[old], [api.good]]
    assert [seen.all("Authorization") for seen in api.calls()] == [[], []]


def test_what_a_function_writes_stays_with_us(
    session: requests.Session, api: PlaceServer, elsewhere: PlaceServer
) -> None:
    """A redirect to another host is made of the caller's request, not of the copy."""
    store = MemoryStore(api.log_in())
    session.mount("http://", mount(session, api.url, ENDPOINT, store, attach=sign))
    api.goal = f"{elsewhere.url}/there"
    assert get(session, "/go").status_code == 200
    assert api.good not in str(elsewhere.seen)


def test_headers_of_the_api_go_to_the_api_alone(
    session: requests.Session, api: PlaceServer, elsewhere: PlaceServer
) -> None:
    """With each request that has none of that name, anonymous or not; never to another host."""
    store, headers = MemoryStore(api.log_in()), {"apikey": "k1", "X-At": lambda: "k2"}
    adapter = mount(session, api.url, ENDPOINT, store, attach=X_HEADER, headers=headers)
    session.mount("http://", adapter)
    api.expire()
    api.goal = f"{elsewhere.url}/there"
    assert get(session, "/go").status_code == 200
    assert get(session, auth=anonymous).status_code == 401
    assert get(session, headers={"APIKey": "mine"}).status_code == 200
    assert [seen.all("apikey") for seen in api.calls()] == [["k1"]] * 3 + [["mine"]]
    assert [seen.all("X-At") for seen in api.calls()] == [["k2"]] * 4
    assert "k1" not in str(elsewhere.seen)
    assert "k2" not in str(elsewhere.seen)


@pytest.mark.parametrize("value", ["s3cret\n", "", None, b"s3cret"])
def test_a_header_that_cannot_be_sent_says_why(
    session: requests.Session, api: PlaceServer, value: Any
) -> None:
    """And not where in our own code it was noticed; nothing is sent, nothing is shown."""
    store = MemoryStore(api.log_in())
    mount(session, api.url, ENDPOINT, store, headers={"apikey": lambda: value})
    with pytest.raises(JWTRefreshError, match="what it returned is") as caught:
        get(session)
    assert "s3cret" not in str(caught.value)
    assert api.seen == []


# --- Secrets -------------------------------------------------------------------------------------


@each(PLACES)
def test_no_token_is_shown(
    session: requests.Session, api: PlaceServer, place: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in the log nor in a repr."""
    caplog.set_level(logging.DEBUG)
    events: list[Any] = []
    adapter = carry(session, api, place, on_event=events.append)
    secrets = {api.good, "csrf-1", adapter.token and adapter.token.refresh}
    api.expire()
    response = get(session)
    assert response.status_code == 200
    shown = f"{caplog.text}{events}{adapter!r}{place!r}{adapter.token!r}{response!r}"
    assert events
    assert not [each for each in {*secrets, api.good} if each and each in shown]


@pytest.mark.parametrize("place", [COOKIE, CSRF], ids=["cookie", "cookie and csrf"])
@pytest.mark.parametrize("secret", ["a;b", "a,b", 'a"b', "a\\b"])
def test_a_token_that_a_cookie_cannot_carry_is_refused_when_it_arrives(
    session: requests.Session, api: PlaceServer, place: Any, secret: str
) -> None:
    """By set_token, unsaid; what was there before stays."""
    adapter = carry(session, api, place)
    before = adapter.token
    with pytest.raises(ValueError, match="cookie 'token'") as caught:
        adapter.set_token(Token(secret, "refresh"))
    assert secret not in str(caught.value)
    assert adapter.token == before
    assert get(session).status_code == 200
