"""The code that most people write for themselves: attach, notice the 401, refresh, send again.

It is here to be compared, not to be used. It does what tutorials show, with nothing left out that
they have: the refresh token rotates, the new tokens are saved, errors are raised.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from pathlib import Path


class HandWrittenSession(requests.Session):
    """A session that keeps its token fresh, in fifty lines."""

    def __init__(self, token_url: str, token: dict[str, Any], file: Path | None = None) -> None:
        super().__init__()
        self.token_url = token_url
        self.token = token
        self.file = file

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        headers = dict(options.pop("headers", None) or {})
        headers["Authorization"] = f"Bearer {self.token['access_token']}"
        response = super().request(method, url, headers=headers, **options)
        if response.status_code == requests.codes.unauthorized:
            self.refresh_token()
            headers["Authorization"] = f"Bearer {self.token['access_token']}"
            response = super().request(method, url, headers=headers, **options)
        return response

    def refresh_token(self) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": self.token["refresh_token"]}
        response = requests.post(self.token_url, data=form)
        response.raise_for_status()
        self.token = {**self.token, **response.json()}
        self.save_token()

    def save_token(self) -> None:
        if self.file is not None:
            self.file.write_text(json.dumps(self.token), encoding="utf-8")
