"""After clear_token() or set_token(): nothing from before. In short tests/stress/preemptions.py."""

from __future__ import annotations

import pytest

from tests.stress.preemptions import ROUNDS, explore


@pytest.mark.parametrize(("name", "rival", "is_rival_held"), ROUNDS)
def test_preemptions_in_short(name: str, rival: str, *, is_rival_held: bool) -> None:
    """What a thread did meanwhile, wherever it was held, no later request is sent with."""
    assert explore(name, rival, is_rival_held=is_rival_held, stride=37) > 0


@pytest.mark.parametrize("name", ["load", "reload"])
def test_a_look_into_the_store(name: str) -> None:
    """It needs no lock, so it is tried at every line."""
    assert explore(name, "clear") > 50
