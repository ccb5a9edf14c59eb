"""Each Python example in a public docstring runs, with the names that the package's page says."""

from __future__ import annotations

import inspect
import re
import textwrap
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

import requests_jwt_refresh
from requests_jwt_refresh import JSONEndpoint, MemoryStore, Token, mount, presets, testing
from tests.support.blocks import join_python
from tests.support.internet import Internet, every_host, internet, make_json_answer
from tests.support.keyrings import DictKeyring, use_keyring

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["every_host", "internet"]  # fixtures

PUBLIC: Final = {
    "the package": requests_jwt_refresh,
    "presets": presets,
    "testing": testing,
    **{name: getattr(requests_jwt_refresh, name) for name in requests_jwt_refresh.__all__},
    **{f"testing.{name}": getattr(testing, name) for name in testing.__all__},
}
EXAMPLES: Final = {
    name: program
    for name, each in PUBLIC.items()
    if (program := join_python(inspect.getdoc(each) or ""))
}


@pytest.fixture
def names(
    internet: Internet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """What an example may use; its hosts give tokens, and it has a keyring and a key."""
    internet.usual_answer = make_json_answer(access_token="new", refresh_token="r")
    use_keyring(monkeypatch, DictKeyring())
    monkeypatch.chdir(tmp_path)
    for name, value in internet.environment().items():
        monkeypatch.setenv(name, value)
        monkeypatch.delenv(name.lower(), raising=False)
    from joserfc.jwk import ECKey

    (tmp_path / "my-client.pem").write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    session, other = requests.Session(), requests.Session()
    public = {name: getattr(requests_jwt_refresh, name) for name in requests_jwt_refresh.__all__}
    served = {name: getattr(testing, name) for name in testing.__all__}
    adapter = mount(
        other,
        "https://api.example.com",
        JSONEndpoint("/auth/refresh"),
        MemoryStore(Token("access", "refresh")),
    )
    own = {"requests": requests, "ThreadPoolExecutor": ThreadPoolExecutor, "session": session}
    with session, other:
        yield {**served, **public, **own, "adapter": adapter}


@pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning")  # their sessions stay open
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str, names: dict[str, Any]) -> None:
    """As it stands, with the names that the package's page says."""
    exec(compile(EXAMPLES[name], name, "exec"), names)


@pytest.mark.parametrize("name", [name for name in PUBLIC if not name.startswith("testing.")])
def test_no_example_goes_unseen(name: str) -> None:
    """An indented block that is Python would not be run: it has a fence instead."""
    page = re.sub(r"```.*?```", "", inspect.getdoc(PUBLIC[name]) or "", flags=re.DOTALL)
    text = re.split(r"^(?:Args|Attributes):", page, flags=re.MULTILINE)[0]
    for block in re.findall(r"(?:\n\n|\A)((?:    .*\n?|\n(?=    ))+)", text):
        with pytest.raises(SyntaxError):
            compile(textwrap.dedent(block), name, "exec")
