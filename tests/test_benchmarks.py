"""The benchmarks: that they run, and how they show what they found. No test measures anything."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import clients, threads, upload
from tests.benchmarks.crowd import time_crowd
from tests.benchmarks.measuring import ROOT, Samples
from tests.benchmarks.server import ServerProcess
from tests.benchmarks.storm import IdealClient
from tests.benchmarks.table import WIDTH, Figure, Goal, Row, Table, at_most, render, to_json

if TYPE_CHECKING:
    from pathlib import Path

CHEAP = ("hot_path", "storm", "threads", "memory")
MISSING = clients.Client("Elsewhere", clients.make_by_hand, ("no_such_library.at_all",))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What the command prints for the cheap subjects, and the JSON that it writes."""
    file = tmp_path_factory.mktemp("benchmarks") / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *CHEAP, "--quick", "--json", str(file)],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(file.read_text(encoding="utf-8"))


def test_the_command_prints_a_table_for_each_subject(run: tuple[str, dict[str, Any]]) -> None:
    """The benchmarks go on working as the library changes: rows, goals, the machine's load."""
    printed, _written = run
    for words in ("Hot path", "Storm", "Threads", "Memory", "goal: ours at most", " goals reached"):
        assert words in printed
    assert printed.count("load ") == 1 + len(CHEAP)
    assert max(map(len, printed.splitlines()[1:])) <= WIDTH


def test_the_json_has_each_figure(run: tuple[str, dict[str, Any]]) -> None:
    """Another program can draw what was measured: numbers with units, goals with verdicts."""
    _printed, written = run
    assert list(written["subjects"]) == list(CHEAP)
    assert {"python", "cores", "load", "load after"} <= set(written["machine"])
    rows = [row for each in written["subjects"].values() for table in each for row in table["rows"]]
    figures = [figure for row in rows for figure in row["figures"].values() if figure is not None]
    assert rows
    assert all(isinstance(each["value"], (int, float)) for each in figures)
    assert all(isinstance(goal["reached"], bool) for row in rows for goal in row["goals"])


def test_a_name_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The error says what there is."""
    with pytest.raises(SystemExit) as ended:
        command.main(["hot_paht"])
    assert ended.value.code == 2
    assert "there is no hot_paht; choose from hot_path, throughput" in capsys.readouterr().err


def test_a_library_that_is_not_installed_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left out of the figures, and a line says so."""
    monkeypatch.setitem(clients.CLIENTS, MISSING.name, MISSING)
    names = (clients.BARE, MISSING.name, clients.OURS)
    assert [each.name for each in clients.find_clients(*names)] == [clients.BARE, clients.OURS]
    assert clients.list_missing(names) == ["Elsewhere: not installed"]


@pytest.mark.parametrize("client", [each for each in clients.CLIENTS if each != clients.BARE])
def test_every_client_sends_its_token(client: str) -> None:
    """What is compared does the same work; the token is good for long, so none is fetched."""
    found = clients.CLIENTS[client]
    if not found.is_installed:
        pytest.skip(f"{client} is not installed")
    with ServerProcess(lifetime=3600.0, **found.server_options) as server:
        with found.make(make_setup(server, client)) as session:
            session.trust_env = False
            before = server.counters().refreshes
            assert session.get(f"{server.url}/api/x").status_code == 200
        assert server.counters().refreshes == before


def make_setup(server: ServerProcess, client: str) -> clients.Setup:
    token_url = f"{server.url}/auth/token" if client == clients.MSAL else None
    return clients.Setup(server.url, server.login(), token_url=token_url)


def test_the_ideal_does_a_storm_with_one_refresh() -> None:
    """It is no faster for doing less."""
    with ServerProcess(opaque=True, expires_field=None) as server:
        ideal = IdealClient(server.url, server.login(), pool=8)
        for expiry in (1, 2):
            server.expire()
            _seconds, outcomes = time_crowd(8, lambda: ideal.get(f"{server.url}/api/x"))
            assert [getattr(each, "status_code", each) for each in outcomes] == [200] * 8
            assert server.counters().rotated == expiry


def test_what_a_thread_raises_is_an_outcome() -> None:
    """A crowd never ends with fewer outcomes than threads."""

    def fail() -> None:
        raise ValueError("no")

    _seconds, outcomes = time_crowd(3, fail)
    assert [type(each) for each in outcomes] == [ValueError] * 3


def test_threads_are_counted_however_they_start() -> None:
    """By `threading`, and below it."""
    import _thread
    import threading

    done = threading.Event()
    with threads.count_threads() as started:
        thread = threading.Thread(target=done.wait, name="above")
        thread.start()
        _thread.start_new_thread(done.set, ())
        thread.join(30)
    assert started == ["above", "_thread"]


def test_an_upload_counts_what_was_sent(tmp_path: Path) -> None:
    """A file that is sent again counts twice."""
    path = tmp_path / "body"
    path.write_bytes(b"x" * 1000)
    with path.open("rb") as file:
        counting = upload.CountingFile(file)
        while counting.read(300):
            pass
        counting.seek(0)
        counting.read()
    assert counting.sent == 2000


def test_what_is_added_is_taken_within_each_round() -> None:
    """A round in which the machine was slow is slow for both."""
    samples = Samples({"bare": [10.0, 100.0, 10.0], "ours": [14.0, 104.0, 13.0]})
    assert samples.added("ours", "bare", "µs") == Figure(4.0, "+µs")
    assert samples.median("ours", "µs") == Figure(14.0, "µs")
    assert samples.ratio("ours", "bare") == Figure(1.3, "x")


def test_each_begins_a_round_in_turn() -> None:
    """Whoever comes first finds the caches as the last one left them."""
    order: list[str] = []

    def note(name: str) -> float:
        order.append(name)
        return 0.0

    Samples.take({"a": lambda: note("a"), "b": lambda: note("b")}, 2, warm=False)
    assert order == ["a", "b", "b", "a"]


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure(4.04, "+µs"), "+4.0 µs"),
        (Figure(-0.26, "+ms"), "-0.3 ms"),
        (Figure(0.976, "x"), "0.98 x"),
        (Figure(12345.6, "µs"), "12346 µs"),
        (Figure(3), "3"),
        (Figure(512.0, "MiB"), "512 MiB"),
    ],
)
def test_figures_are_readable(figure: Figure, text: str) -> None:
    """Each with its unit, and a sign where it says what is added."""
    assert str(figure) == text


def test_a_goal_says_whether_it_was_reached() -> None:
    """In the unit of its figure; the limit itself is good."""
    assert str(at_most(Figure(4.0, "+µs"), 4.0)) == "goal: ours at most +4.0 µs: reached"
    missed = at_most(Figure(1.3, "x"), 1.2)
    assert str(missed) == "goal: ours at most 1.20 x: NOT REACHED"
    row = Row("storm", {}, (missed,))
    assert command.summarize([Table("t", [row])]).splitlines() == [
        "0 of 1 goals reached; not:",
        "  storm: ours at most 1.20 x",
    ]


def test_a_table_fits_the_page_and_is_json() -> None:
    """Long names of columns take two lines; None is a dash there and null here."""
    figures: dict[str, Figure | None] = dict.fromkeys(clients.EVERYBODY, Figure(1000.0, "µs"))
    figures[clients.AUTHLIB] = None
    row = Row("what is done, trust_env off", figures, (Goal("none", True),))
    table = Table("title " * 30, [row], ["note " * 40])
    lines = list(render(table))
    assert max(map(len, lines)) <= WIDTH
    assert ["google-", "requests-", "requests-"] in [line.split() for line in lines]
    assert to_json(table)["rows"][0]["figures"][clients.AUTHLIB] is None
