"""Whether a text shows a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from requests_jwt_refresh import Token


def list_secrets(*tokens: Token | None) -> list[str]:
    """Return the access and refresh tokens that there are."""
    return [each for token in tokens if token for each in (token.access, token.refresh) if each]


def assert_no_secret(text: str, *tokens: Token) -> None:
    """Assert that neither half of a token is in `text`, nor the answers that tests give for one."""
    halves = [
        half
        for each in list_secrets(*tokens)
        for half in (each[: len(each) // 2], each[len(each) // 2 :])
    ]
    assert not any(half in text for half in halves), "a token can be read"
    assert "eyJ" not in text, "something like a JWT can be read"
    assert "aaaaaaaa" not in text, "the answer's body can be read"
