"""What known servers were asked and what they answered, one file for each in tests/recorded.

A file has the arguments of the preset, the token that is traded in, the request as it goes on the
wire, the answer to it and the token that this gives (`then`), the answers that refuse (`refused`),
that say "not so often" (`throttled`) and that tell of another fault (`kept`: the tokens are), the
API's answers to an expired token (`expired`) and others like them (`other`), and what an API
request carries (`api`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import requests
from requests.structures import CaseInsensitiveDict

from requests_jwt_refresh import presets
from requests_jwt_refresh.authorization import AUTHORIZATION
from requests_jwt_refresh.responses import TokenResponse
from requests_jwt_refresh.tokens import Token
from requests_jwt_refresh.urls import join_endpoint

FOLDER: Final = Path(__file__).parent.parent / "recorded"
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Recorded:
    """The exchanges with one server."""

    name: str
    content: dict[str, Any]

    @classmethod
    def read(cls, name: str) -> Recorded:
        """Return the exchanges of the preset `name`."""
        return cls(name, json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))

    @property
    def base_url(self) -> str:
        url: str = self.content["base_url"]
        return url

    @property
    def token(self) -> Token:
        return Token(**self.content["token"])

    def make_endpoint(self, **options: Any) -> Any:
        """Return the preset as a user of this server would make it."""
        given = {**self.content.get("options", {}), **options}
        return presets.load(self.name).endpoint(*self.content.get("arguments", []), **given)

    def answers(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.content.get(what, [])
        return found


def list_recorded() -> list[str]:
    """Return the names that there are exchanges of."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def prepare_refresh(recorded: Recorded, endpoint: Any) -> dict[str, Any]:
    """Return the refresh request, as a file describes one."""
    url = join_endpoint(recorded.base_url, endpoint.url, what="the URL", allow_http=True)
    request = endpoint.ask(url, recorded.token).prepare()
    headers = {name: value for name, value in request.headers.items() if name != "Content-Length"}
    described = {"method": request.method, "url": request.url, "headers": headers}
    return described if request.body is None else {**described, "body": parse_body(request)}


def parse_body(request: requests.PreparedRequest) -> Any:
    """Return a request's form as text, its JSON as what it says."""
    body = request.body.decode() if isinstance(request.body, bytes) else request.body
    assert isinstance(body, str)
    if request.headers["Content-Type"] == _FORM:
        assert parse_qsl(body, strict_parsing=True)
        return body
    return json.loads(body)


def to_token_response(answer: dict[str, Any]) -> TokenResponse:
    """Return an answer as an endpoint is given it."""
    cookies = answer.get("headers", {}).get("Set-Cookie", [])
    return TokenResponse(
        answer["status"], _headers(answer), _body(answer), set_cookies=tuple(cookies)
    )


def to_response(answer: dict[str, Any], method: str = "GET") -> requests.Response:
    """Return an answer as a matcher is given it."""
    response = requests.Response()
    response.status_code = answer["status"]
    response.headers = _headers(answer)
    response._content = b"" if method == "HEAD" else _body(answer)  # noqa: SLF001 - as requests' own tests do
    response.request = requests.Request(method, "https://h/").prepare()
    return response


def carry(endpoint: Any, token: Token) -> dict[str, str]:
    """Return the headers with which an API request carries `token`."""
    request = requests.Request("POST", "https://h/").prepare()
    before = dict(request.headers)
    (getattr(endpoint, "attach", None) or AUTHORIZATION).carry(request, token)
    request.headers.update(getattr(endpoint, "api_headers", None) or {})
    return {name: str(value) for name, value in request.headers.items() if name not in before}


def _headers(answer: dict[str, Any]) -> CaseInsensitiveDict[str]:
    given = answer.get("headers", {})
    return CaseInsensitiveDict(
        {name: ", ".join(each) if isinstance(each, list) else each for name, each in given.items()}
    )


def _body(answer: dict[str, Any]) -> bytes:
    if "body" not in answer:
        return b""
    body = answer["body"]
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
