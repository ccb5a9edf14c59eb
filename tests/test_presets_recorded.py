"""Each preset asks its server as that wants it, and understands what it answers.

The exchanges in tests/recorded are literal, from the servers' documentation or from the servers
themselves. tests/test_preset_servers.py plays the same servers over a network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh.errors import RefreshRejected, RefreshUnavailable
from requests_jwt_refresh.matching import Status
from requests_jwt_refresh.presets import PRESET_MODULES
from tests.support.recorded import (
    Recorded,
    carry,
    list_recorded,
    prepare_refresh,
    to_response,
    to_token_response,
)

if TYPE_CHECKING:
    from tests.support.clock import Clock

pytestmark = pytest.mark.usefixtures("clock")

RECORDED = {name: Recorded.read(name) for name in list_recorded()}


def each_answer(*kinds: str) -> pytest.MarkDecorator:
    cases = [
        pytest.param(recorded, answer, id=f"{name}-{kind}{number}")
        for name, recorded in RECORDED.items()
        for kind in kinds
        for number, answer in enumerate(recorded.answers(kind))
    ]
    return pytest.mark.parametrize(("recorded", "answer"), cases)


each_server = pytest.mark.parametrize("recorded", RECORDED.values(), ids=RECORDED)


def test_each_preset_has_recorded_exchanges() -> None:
    """And none is left of a preset that has gone."""
    assert list_recorded() == sorted(PRESET_MODULES)


# --- The refresh ---------------------------------------------------------------------------------


@each_server
def test_the_refresh_request_is_the_servers_own(recorded: Recorded) -> None:
    """Method, URL with its query, headers and body, and no more than that."""
    sent = prepare_refresh(recorded, recorded.make_endpoint())
    assert sent == recorded.content["request"]


@each_server
def test_a_success_gives_the_new_token(recorded: Recorded, clock: Clock) -> None:
    """With its lifetime, and the rest of the answer beside it."""
    then = dict(recorded.content["then"])
    lifetime, extra = then.pop("expires_in", None), then.pop("extra", {})
    token = recorded.make_endpoint().read(to_token_response(recorded.content["success"]))
    assert {"access": token.access, "refresh": token.refresh} == {"refresh": None, **then}
    if lifetime is None:
        assert token.expires_at is None
    else:
        assert token.expires_at == pytest.approx(clock.time() + lifetime, abs=0.1)
    moment = extra.pop("refresh_expires_at", None)
    found = dict(token.extra)
    assert found.pop("refresh_expires_at", None) == (moment and pytest.approx(moment, abs=0.1))
    assert found == extra


@each_answer("refused")
def test_a_refusal_is_understood(recorded: Recorded, answer: Any) -> None:
    """A new login is needed."""
    with pytest.raises(RefreshRejected):
        recorded.make_endpoint().read(to_token_response(answer))


@each_answer("throttled", "kept")
def test_throttling_and_faults_of_the_set_up_are_no_refusals(
    recorded: Recorded, answer: Any
) -> None:
    """The tokens are kept."""
    with pytest.raises(RefreshUnavailable) as caught:
        recorded.make_endpoint().read(to_token_response(answer))
    assert caught.value.remedy.startswith("the tokens are kept; ")


# --- The API -------------------------------------------------------------------------------------


@each_answer("expired")
def test_an_expired_token_is_recognized(recorded: Recorded, answer: Any) -> None:
    """By the server's own rule."""
    assert recorded.make_endpoint().when(to_response(answer))


@each_answer("other")
def test_what_no_refresh_cures_is_left_alone(recorded: Recorded, answer: Any) -> None:
    """Another status, or the same for another reason."""
    assert not recorded.make_endpoint().when(to_response(answer))


@each_server
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 422, 429, 500])
def test_a_plain_answer_is_an_expiry_only_where_the_status_alone_says_so(
    recorded: Recorded, status: int
) -> None:
    """A rule with a reason in it wants that reason."""
    when = recorded.make_endpoint().when
    expected = isinstance(when, Status) and status in when.statuses
    assert when(to_response({"status": status, "body": {}})) == expected


@each_server
def test_a_head_is_refreshed_with_each_preset(recorded: Recorded) -> None:
    """Its answer has the server's headers and no body that could say why."""
    when = recorded.make_endpoint().when
    errors = [each for each in recorded.answers("expired") if each["status"] >= 400]
    assert all(when(to_response(each, "HEAD")) for each in errors)
    assert not when(to_response({"status": 200}, "HEAD"))


@each_server
def test_an_api_request_carries_the_token_where_the_server_wants_it(recorded: Recorded) -> None:
    """And whatever else each request needs."""
    carried = carry(recorded.make_endpoint(), recorded.token)
    proof = carried.pop("DPoP", None)  # signed anew for each request: tests/test_jose.py
    assert carried == recorded.content["api"]
    assert (proof is not None) == (recorded.name == "bluesky-oauth")
