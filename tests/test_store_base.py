"""How a token is written down, and that nothing else is taken for one."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from requests_jwt_refresh.errors import StoreError
from requests_jwt_refresh.stores.base import decode, encode
from requests_jwt_refresh.tokens import Token


@pytest.mark.parametrize("access", [None, "a", 'quoted "\\ and spaced', "x" * 5000])
@pytest.mark.parametrize("refresh", [None, "r", "null"])
@pytest.mark.parametrize("expires_at", [None, 0, -1.5, 1.7e9 + 0.1, 1e300])
def test_what_is_encoded_is_decoded(
    access: str | None, refresh: str | None, expires_at: float | None
) -> None:
    """Every token comes back equal, whichever of its fields are known."""
    if access is None and refresh is None:
        refresh = "r"
    token = Token(access, refresh, expires_at)
    assert decode(encode(token), "here") == token


def test_it_is_one_line_of_ascii() -> None:
    """So that every store can keep it and count its characters."""
    text = encode(Token("a" * 5000, "r ~", 1.7e9))
    assert text.isascii()
    assert text.isprintable()


def test_fields_of_a_later_version_are_skipped() -> None:
    """A newer program on the same machine may write more."""
    text = '{"access":"a","refresh":null,"expires_at":null,"scope":"x"}'
    assert decode(text, "here") == Token("a")


BROKEN: list[Any] = [
    "",
    "null",
    "[]",
    '"secret"',
    "secret",
    "17",
    "{}",
    "[" * 100_000,
    '{"access":"secret"}',
    '{"access":"secret","refresh":null}',
    '{"access":null,"refresh":null,"expires_at":null}',
    '{"access":"secret\\n","refresh":null,"expires_at":null}',
    '{"access":"","refresh":"secret","expires_at":null}',
    '{"access":["secret"],"refresh":null,"expires_at":null}',
    '{"access":"secret","refresh":17,"expires_at":null}',
    '{"access":"secret","refresh":null,"expires_at":"secret"}',
    '{"access":"secret","refresh":null,"expires_at":true}',
    '{"access":"secret","refresh":null,"expires_at":NaN}',
    '{"access":"secret","refresh":null,"expires_at":Infinity}',
    '{"access":"secret","refresh":null,"expires_at":nul',
    '\ufeff{"access":"secret","refresh":null,"expires_at":null}',
]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_anything_else_is_a_store_error(text: str) -> None:
    """It names the place and says what to do; the text shows nowhere, not in a cause either."""
    with pytest.raises(StoreError, match=r"^over here holds something .* log in again$") as caught:
        decode(text, "over here")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    # A traceback quotes source lines: this test's own have no secret in them.
    assert "secret" not in "".join(traceback.format_exception(caught.value)).replace(__name__, "")
