"""Servers without a name: one for each further kind of API that there is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.testing.likes import oauth
from requests_jwt_refresh.testing.shapes import Ask, InField, Slot, Template

if TYPE_CHECKING:
    from requests_jwt_refresh.testing.shapes import Shape

SHAPES: Final[dict[str, Shape]] = {}

# --- Grants without a refresh token --------------------------------------------------------------

_GRANTED: Final = {
    "access_token": Slot.ACCESS,
    "token_type": "Bearer",
    "expires_in": Slot.SECONDS,
}
_BY_CLIENT: Final = oauth.ask(
    "/oauth/token",
    trade="client",
    body=_GRANTED,
    fields={"grant_type": "client_credentials"},
    secret=(),
)


def _by_assertion(grant_type: str, field: str, **others: object) -> Ask:
    fields = {"grant_type": f"urn:ietf:params:oauth:grant-type:{grant_type}"}
    return replace(
        _BY_CLIENT,
        trade="assertion",
        fields=fields,
        secret=(InField(field),),
        client=("basic", "post", "public"),
        **others,  # type: ignore[arg-type]  # fields of Ask
    )


_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"
SHAPES["client-credentials"] = replace(
    oauth.shape(_BY_CLIENT),
    refresh=(
        _BY_CLIENT,
        _by_assertion("jwt-bearer", "assertion"),  # RFC 7523
        _by_assertion(  # RFC 8693
            "token-exchange",
            "subject_token",
            needs=("subject_token_type",),
            answer=Template({**_GRANTED, "issued_token_type": _TYPE}),
        ),
    ),
)
