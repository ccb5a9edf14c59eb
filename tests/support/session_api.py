"""An API with sessions, as infrastructure has them: a login gives a token, and there is no more."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from requests_jwt_refresh.authorization import Cookie, Header
from requests_jwt_refresh.testing.values import ServerResponse, json_response

if TYPE_CHECKING:
    from requests_jwt_refresh.authorization import Place, WirePlace
    from requests_jwt_refresh.testing import AuthServer
    from requests_jwt_refresh.testing.faults import Exchange


@dataclass(frozen=True)
class SessionAPI:
    """Makes an AuthServer one: its logins answer at a place, its API takes the token at another."""

    answer: Place
    carry: WirePlace

    def install(self, server: AuthServer) -> None:
        """Have `server` answer so from now on."""
        server.fail(_Login(self.answer), on="login", times=None)
        server.fail(_API(self.carry), on="api", times=None)


@dataclass(frozen=True)
class _Login:
    place: Place

    def play(self, exchange: Exchange) -> None:
        response = exchange.work()
        if response.status == 200:
            access = json.loads(response.body)["access_token"]
            response = self._move(access)
        exchange.send(response)

    def _move(self, access: str) -> ServerResponse:
        if isinstance(self.place, str):
            return json_response(200, _nest(self.place, access))
        headers: dict[str, str] = {}
        if isinstance(self.place, Header):
            self.place.write(headers, access)
        else:
            headers["Set-Cookie"] = f"{self.place.name}={access}; Path=/; HttpOnly"
        return json_response(201, {}, headers)


@dataclass(frozen=True)
class _API:
    place: WirePlace

    def play(self, exchange: Exchange) -> None:
        headers = exchange.request.headers
        if isinstance(self.place, Cookie):
            pairs = (each.partition("=") for each in headers.get("Cookie", "").split("; "))
            token = {name: value for name, _, value in pairs}.get(self.place.name)
        else:
            token = self.place.read(headers, ())
        exchange.request = replace(exchange.request, access=token)
        exchange.send(exchange.work())


def _nest(path: str, value: str) -> Any:
    for name in reversed(path.split(".")):
        value = {name: value}  # type: ignore[assignment]
    return value
