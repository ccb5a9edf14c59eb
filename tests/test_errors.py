"""Every error says what happened and what to do, as two texts and as one."""

from __future__ import annotations

import ast
import copy
import pickle
import re
from pathlib import Path

import pytest
import requests

import requests_jwt_refresh
from requests_jwt_refresh import JWTRefreshError, RefreshRejected, RefreshUnavailable
from requests_jwt_refresh.errors import capitalize
from tests.support.documents import PAGES

KINDS = sorted(
    (
        value
        for name in requests_jwt_refresh.__all__
        if isinstance(value := getattr(requests_jwt_refresh, name), type)
        and issubclass(value, JWTRefreshError)
        and value is not JWTRefreshError
    ),
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
class TestEveryKind:
    """What holds for each class of the tree."""

    def test_it_has_a_cause_and_a_remedy(self, kind: type[JWTRefreshError]) -> None:
        """Two texts, which str() joins to two sentences."""
        error = kind("the server is down", "try later")
        assert (error.cause, error.remedy) == ("the server is down", "try later")
        assert str(error) == "the server is down. Try later"

    def test_it_has_a_remedy_of_its_own(self, kind: type[JWTRefreshError]) -> None:
        """A user's own login or store may raise it with one text, or none."""
        assert kind("no").remedy
        assert str(kind("no")) == f"no. {capitalize(kind.remedy)}"
        assert kind().cause == ""
        assert not kind.remedy.endswith(".")

    def test_it_survives_copies(self, kind: type[JWTRefreshError]) -> None:
        """Threads share a failure by copies, processes by pickles."""
        error = kind("what", "do")
        error.request = requests.Request("GET", "https://h/").prepare()
        for twin in (copy.copy(error), pickle.loads(pickle.dumps(error)), error.about()):
            assert (type(twin), twin.cause, twin.remedy) == (kind, "what", "do")
            assert str(twin) == str(error)

    def test_it_is_one_of_requests(self, kind: type[JWTRefreshError]) -> None:
        """So that the except clauses that a program has go on working."""
        response = requests.Response()
        error = kind("what", response=response)
        assert isinstance(error, requests.RequestException)
        assert error.response is response


def test_a_copy_belongs_to_one_request() -> None:
    """It has no traceback, which would keep another request's frames alive."""
    request = requests.Request("GET", "https://h/").prepare()
    with pytest.raises(RefreshUnavailable) as caught:
        raise RefreshUnavailable("what") from ValueError("why")
    mine = caught.value.about(request)
    assert (mine.request, mine.__traceback__) == (request, None)
    assert isinstance(mine.__cause__, ValueError)


def test_a_class_may_be_raised() -> None:
    """``raise RefreshRejected`` says what to do, at least."""
    with pytest.raises(RefreshRejected, match=r"^Log in again$"):
        raise RefreshRejected


@pytest.mark.parametrize(
    ("sentence", "capitalized"),
    [
        ("log in again", "Log in again"),
        ("requests-jwt login", "requests-jwt login"),
        ("allow_http=True if you must", "allow_http=True if you must"),
        ("is it up?", "Is it up?"),
        ("", ""),
    ],
)
def test_what_is_to_be_typed_keeps_its_letters(sentence: str, capitalized: str) -> None:
    """A sentence begins with a capital, unless its first word is a command, a name or a path."""
    assert capitalize(sentence) == capitalized


def test_no_text_sends_anybody_to_the_readme() -> None:
    """It is not installed; a text says what to do, or names a page of the guide by its title."""
    found, pages = [], []
    for file in Path(requests_jwt_refresh.__file__).parent.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        docs = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
        for each in ast.walk(tree):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                if "README" in each.value and id(each) not in docs:
                    found.append(f"{file.name}:{each.lineno}")
                pages += re.findall('the page "(.+?)"', each.value)
    assert found == []
    titles = {text.splitlines()[0].removeprefix("# ") for text in PAGES.values()}
    assert pages
    assert set(pages) <= titles
