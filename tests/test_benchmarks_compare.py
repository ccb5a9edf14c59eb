"""The comparison: that each task tells good from bad, and that what is shown is what was found."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
import requests
from requests.adapters import HTTPAdapter

from requests_jwt_refresh.testing.faults import Status
from tests.benchmarks.by_hand import HandWrittenSession
from tests.benchmarks.clients import BARE, BY_HAND, CLIENTS, OURS, Client, Setup
from tests.benchmarks.compare import cost, crowd, hosts, outages, processes, uploads
from tests.benchmarks.compare import stage as stage_module
from tests.benchmarks.compare.__main__ import (
    COST,
    PACKAGES,
    README_ROWS,
    main,
    make_notes,
    make_tasks,
)
from tests.benchmarks.compare.page import WIDTH, find_differences, render, to_markdown
from tests.benchmarks.compare.picture import NEEDED, draw
from tests.benchmarks.compare.results import Cell, Comparison, Row, Verdict
from tests.benchmarks.compare.stage import set_stage
from tests.benchmarks.measuring import ROOT
from tests.support.waits import join, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from requests import PreparedRequest, Response

US = CLIENTS[OURS]
NAIVE = CLIENTS[BY_HAND]
FOLDER = ROOT / ".github"
GOOD, PARTLY, BAD, CANNOT = Verdict.GOOD, Verdict.PARTLY, Verdict.BAD, Verdict.CANNOT


def read_stored() -> Comparison:
    return Comparison.from_json(json.loads((FOLDER / "compare.json").read_text(encoding="utf-8")))


# --- The tasks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("client", "verdict"), [(US, GOOD), (NAIVE, BAD)], ids=["ours", "by hand"])
def test_a_crowd_shows_who_refreshes_once(client: Client, verdict: Verdict) -> None:
    """A login that a second use of its refresh token has ended is lost, not slow."""
    outcome = crowd.try_crowd(client, 4)
    assert outcome.cell.verdict is verdict
    assert outcome.refreshes == (1 if client is US else 4)
    assert outcome.logged_in is (client is US)


def test_one_thread_alone_is_served_by_code_written_by_hand() -> None:
    """What others fail at is the crowd, not how they are set up here."""
    assert crowd.try_crowd(NAIVE, 1).cell == Cell(
        GOOD,
        "1 of 1",
        "1 refresh",
        {"threads": 1, "answered": 1, "refreshes": 1, "logins": 0, "logged_in": True},
    )


def test_new_logins_are_not_the_same_as_a_refresh() -> None:
    """Who has the user's password can answer everybody, at the price of a login for each."""
    cell = crowd.CrowdOutcome(32, 32, 1, 31, logged_in=True).cell
    assert (cell.verdict, cell.words) == (PARTLY, "32 of 32, 31 new logins")


@pytest.mark.parametrize(("client", "verdict"), [(US, GOOD), (NAIVE, BAD)], ids=["ours", "by hand"])
def test_processes_in_turn_show_who_shares_a_login(client: Client, verdict: Verdict) -> None:
    """The second is answered, and the first one is still logged in."""
    outcome = processes.try_processes(client, processes.IN_TURN)
    assert outcome.cell.verdict is verdict
    assert outcome.still_answered == (2 if client is US else 0)


def test_processes_at_once_refresh_once() -> None:
    """Ours wait for each other; a refresh that takes long finds no second one."""
    outcome = processes.try_processes(US, processes.AT_ONCE)
    assert outcome == processes.ProcessesOutcome(processes.AT_ONCE, 2, 1, 0, 2)


@pytest.mark.parametrize(
    ("client", "body", "verdict"),
    [
        (US, uploads.FILE, GOOD),
        (US, uploads.GENERATOR, GOOD),
        (NAIVE, uploads.FILE, BAD),
        (NAIVE, uploads.GENERATOR, BAD),
        (CLIENTS[BARE], uploads.FILE, CANNOT),
    ],
    ids=lambda each: getattr(each, "name", str(each)),
)
def test_uploads_show_what_arrives(client: Client, body: str, verdict: Verdict) -> None:
    """An empty body that is reported as success is worse than the 401."""
    outcome = uploads.try_upload(client, body)
    assert outcome.cell.verdict is verdict
    assert (outcome.status == 200 and not outcome.is_whole) is (verdict is BAD)


class LeakingAdapter(HTTPAdapter):
    """Puts the token on whatever it sends, as adapters written by hand do."""

    def __init__(self, access: str) -> None:
        super().__init__()
        self._access = access

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        request.headers["Authorization"] = f"Bearer {self._access}"
        return super().send(request, *args, **options)


def make_leaking(setup: Setup) -> requests.Session:
    session = requests.Session()
    session.mount("http://", LeakingAdapter(setup.access))
    return session


@pytest.mark.parametrize(
    ("client", "redirect", "link"),
    [(US, GOOD, GOOD), (NAIVE, GOOD, BAD), (Client("leaks", make_leaking), BAD, BAD)],
    ids=lambda each: getattr(each, "name", str(each)),
)
def test_another_host_shows_who_sends_the_token(
    client: Client, redirect: Verdict, link: Verdict
) -> None:
    """By a redirect, which requests itself guards, and by a URL, which only its user can."""
    assert hosts.try_redirect(client).cell.verdict is redirect
    assert hosts.try_link(client).cell.verdict is link


class ForgetfulSession(HandWrittenSession):
    """Takes every failure for a refusal, and forgets the token."""

    def refresh_token(self) -> None:
        try:
            super().refresh_token()
        except requests.RequestException:
            self.token["refresh_token"] = ""
            raise


def make_forgetful(setup: Setup) -> requests.Session:
    return ForgetfulSession(setup.refresh_url, setup.to_fields())


@pytest.mark.parametrize("kind", [outages.UNAVAILABLE, outages.REFUSED])
def test_an_outage_ends(kind: str) -> None:
    """An error, and the login is good once the token endpoint is back."""
    outcome = outages.try_outage(US, kind)
    assert outcome.cell.verdict is GOOD
    assert (outcome.error, outcome.is_requests_error) == ("RefreshUnavailable", True)
    assert outcome.recovered


def test_an_outage_that_logs_out_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request is answered afterwards, however long one waits."""
    monkeypatch.setattr(outages, "RECOVERY", 0.2)
    outcome = outages.try_outage(Client("forgets", make_forgetful), outages.UNAVAILABLE)
    assert outcome.cell.verdict is BAD
    assert outcome.cell.words.endswith(", logged out")


@pytest.mark.parametrize(("client", "verdict"), [(US, GOOD), (NAIVE, BAD)], ids=["ours", "by hand"])
def test_a_hang_shows_whose_requests_end(client: Client, verdict: Verdict) -> None:
    """A request has an end, whatever the token endpoint does."""
    patience = 30.0 if client is US else 0.3
    limited = (("refresh_timeout", 0.3),)
    outcome = outages.try_outage(client, outages.HANGING, patience=patience, options=limited)
    assert outcome.cell.verdict is verdict
    assert outcome.has_ended is (client is US)


def test_every_client_that_is_compared_can_be_tried() -> None:
    """The base of it all: one request, with a token that the server has just given."""
    for name in PACKAGES:
        client = CLIENTS[name]
        if not client.is_installed:
            continue
        with set_stage(client, expiry_known=False) as stage, client.make(stage.setup) as session:
            session.trust_env = False
            assert session.get(stage.url, timeout=30).status_code == 200, name


def test_a_closed_door_refuses_and_opens_again() -> None:
    """On the same port, with the same tokens."""
    with set_stage(US, expiry_known=True, own_door=True) as stage:
        url = stage.setup.refresh_url
        stage.door.close()
        with pytest.raises(requests.ConnectionError):
            requests.post(url, timeout=30)
        stage.door.open()
        form = {"grant_type": "refresh_token", "refresh_token": stage.setup.token.refresh}
        assert requests.post(url, data=form, timeout=30).status_code == 200
        stage.fail_refreshes(Status(503))
        assert requests.post(url, data=form, timeout=30).status_code == 503


def test_refreshes_that_begin_together_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is answered before all have asked, so it does not matter how fast a machine is."""
    monkeypatch.setattr(stage_module, "OVERLAP", 30.0)
    with set_stage(NAIVE, expiry_known=True) as stage:
        form = {"grant_type": "refresh_token", "refresh_token": stage.setup.token.refresh}
        ask = partial(requests.post, stage.setup.refresh_url, form, timeout=30)
        with stage.overlap_refreshes(2):
            first = threading.Thread(target=ask)
            first.start()
            wait_until(lambda: stage.server.counters.refreshes == 1, "the first refresh")
            requests.get(f"{stage.server.url}/public/x", timeout=30)
            assert stage.server.counters.rotated == 0
            ask()
        join(first)
        assert (stage.server.counters.rotated, stage.server.counters.reuse) == (1, 1)


def test_costs_are_ratios() -> None:
    """Of each client, taken within one round."""
    row = cost.measure_costs([US, NAIVE], trust_env=False, quick=True)
    assert list(row.cells) == [OURS, BY_HAND]
    assert all(cell.verdict is Verdict.FIGURE for cell in row.cells.values())
    assert all(cell.words.endswith(" x") for cell in row.cells.values())


# --- What is shown -------------------------------------------------------------------------------


@pytest.mark.parametrize("quick", [True, False], ids=["quick", "full"])
def test_the_texts_of_a_crowd_say_how_many_threads_there_were(quick: bool) -> None:
    """Fewer if it is to be quick."""
    task = next(each for each in make_tasks(quick=quick) if each.name == "crowd")
    cell = task.try_client(US)
    threads = cell.facts["threads"]
    assert threads == (4 if quick else 32)
    assert cell.words == f"{threads} of {threads}"
    for text in (task.short, task.question, task.good):
        assert text.startswith(f"{threads} ")


@pytest.mark.parametrize("quick", [True, False], ids=["quick", "full"])
def test_a_note_says_how_long_an_outage_lasted(
    monkeypatch: pytest.MonkeyPatch, quick: bool
) -> None:
    """It is over sooner if it is to be quick."""
    given = []

    def try_outage(_client: Client, _kind: str, *, patience: float) -> outages.OutageOutcome:
        given.append(patience)
        return outages.OutageOutcome("Timeout", True, None, 1.0, True, True, 0.0, 0)

    monkeypatch.setattr(outages, "try_outage", try_outage)
    for task in outages.make_tasks(quick=quick):
        task.try_client(US)
    (patience,) = set(given)
    assert patience == (1.0 if quick else 30.0)
    assert f"{patience:g} s at the most" in " ".join(make_notes(quick=quick))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Comparison]:
    """What the command prints for two tasks, and the comparison that it writes."""
    file = tmp_path_factory.mktemp("compare") / "result.json"
    command = [sys.executable, "-m", "tests.benchmarks.compare", "upload-file", "link"]
    done = subprocess.run(
        [*command, "--quick", "--json", str(file), "--markdown"],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, Comparison.from_json(json.loads(file.read_text(encoding="utf-8")))


def test_the_command_prints_each_row_and_its_markdown(run: tuple[str, Comparison]) -> None:
    """In 80 columns, and all libraries say of themselves is left out."""
    printed, comparison = run
    assert [row.name for row in comparison.rows] == ["upload-file", "link"]
    page, _, markdown = printed.partition("\n| ")
    assert max(map(len, page.splitlines())) <= WIDTH
    assert f"| {markdown.rstrip()}\n" == to_markdown(comparison)
    assert "this library          good    arrives whole" in page


def test_a_task_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The error says what there is."""
    with pytest.raises(SystemExit) as ended:
        main(["uplaod"])
    assert ended.value.code == 2
    assert "there is no uplaod; choose from alone, crowd, processes" in capsys.readouterr().err


def test_a_picture_of_half_a_comparison_is_refused(
    run: tuple[str, Comparison], tmp_path: Path
) -> None:
    """It says which task is missing."""
    file = tmp_path / "half.json"
    file.write_text(json.dumps(run[1].to_json()), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["--from", str(file), "--pictures", str(tmp_path)])
    assert ended.value.code == ("no pictures: the picture shows crowd, which this comparison lacks")


def test_the_stored_comparison_is_whole() -> None:
    """Every task, every client; and it survives being written and read."""
    stored = read_stored()
    names = [row.name for row in stored.rows]
    tasks = [task.name for task in make_tasks(quick=False)]
    assert names[: len(tasks)] == tasks
    assert all(name.startswith(COST) for name in names[len(tasks) :])
    assert set(NEEDED) | set(README_ROWS) <= set(names)
    assert all(list(row.cells) == list(PACKAGES) for row in stored.rows)
    assert Comparison.from_json(json.loads(json.dumps(stored.to_json()))) == stored


def test_the_stored_comparison_keeps_what_the_library_promises() -> None:
    """Ours is good at every task but those that are a number."""
    cells = {row.name: row.cells[OURS] for row in read_stored().rows}
    assert {cell.verdict for cell in cells.values()} == {GOOD, Verdict.FIGURE}
    assert (cells["crowd"].words, cells["crowd"].detail) == ("32 of 32", "1 refresh")


def test_the_stored_comparison_fits_a_terminal() -> None:
    """80 columns, notes included."""
    assert max(map(len, render(read_stored()))) <= WIDTH


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pictures_are_those_of_the_stored_comparison(theme: str) -> None:
    """A run that is stored is drawn; `--from .github/compare.json --pictures` draws it."""
    drawn = (FOLDER / f"compare-{theme}.svg").read_text(encoding="utf-8")
    assert drawn == draw(read_stored(), theme)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_picture_is_plain_svg(theme: str) -> None:
    """Well-formed, with a title and a description, and nothing that runs or is fetched."""
    drawn = draw(read_stored(), theme)
    root = ET.fromstring(drawn)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags == {"svg", "title", "desc", "style", "text", "rect", "line", "path"}
    for word in ("<script", "href", "url(", "@import", "@font-face", "onload"):
        assert word not in drawn
    assert root.get("role") == "img"
    title, description = root.findall("{*}title") + root.findall("{*}desc")
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert "Authlib: " in str(description.text)


def test_the_themes_differ_in_colors_alone() -> None:
    """Who looks at a dark page sees the same."""
    light, dark = (draw(read_stored(), theme).splitlines() for theme in ("light", "dark"))
    pairs = [(ours, theirs) for ours, theirs in zip(light, dark, strict=True) if ours != theirs]
    assert pairs
    assert all(remove_color(ours) == remove_color(theirs) for ours, theirs in pairs)


def remove_color(line: str) -> str:
    start, _, end = line.partition("#")
    return start + end[6:]


def test_a_picture_says_in_words_what_its_colors_say() -> None:
    """Each client has a mark of its own shape and a word at each column."""
    stored = read_stored()
    root = ET.fromstring(draw(stored, "light"))
    marks = [each for each in root.iter() if str(each.get("class")).startswith("mark")]
    words = [each for each in root.iter() if each.get("class") == "word"]
    assert len(marks) == len(words) == (len(NEEDED) - 1) * len(stored.clients)
    shapes = {(each.get("class"), each.get("d")) for each in marks}
    assert len(shapes) == len({shape for _, shape in shapes}) == len({kind for kind, _ in shapes})


def test_markdown_has_a_line_for_each_client() -> None:
    """And a column for each task that is named."""
    lines = to_markdown(read_stored(), README_ROWS).splitlines()
    assert len(lines) == 2 + len(PACKAGES)
    assert {line.count("|") for line in lines} == {len(README_ROWS) + 2}
    assert lines[2].startswith("| this library | ✅ 1 of 1 | ✅ 2 of 2 |")


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", *sorted((FOLDER / "guide").glob("*.md"))],
    ids=lambda page: page.name,
)
def test_readme_and_guide_show_the_stored_comparison(page: Path) -> None:
    """No line of such a table is written by hand."""
    assert find_differences(page.read_text(encoding="utf-8"), read_stored()) == []


def test_a_table_that_differs_is_noticed() -> None:
    """A number that somebody has made prettier, a client that is missing, a new column."""
    cells = {OURS: Cell(GOOD, "32 of 32"), BY_HAND: Cell(BAD, "0 of 32")}
    row = Row("crowd", "32 threads", "?", "!", cells)
    comparison = Comparison({}, {OURS: "1", BY_HAND: "2"}, (row,))
    text = f"Others:\n\n{to_markdown(comparison)}\n| a | b |\n| --- | --- |\n| c | d |\n"
    ours, by_hand = text.splitlines()[4:6]
    assert find_differences(text, comparison) == []
    assert find_differences(text.replace("0 of", "1 of"), comparison) == [
        by_hand.replace("0 of", "1 of")
    ]
    assert find_differences(text.replace(f"{ours}\n", ""), comparison) == [by_hand, by_hand]
    assert find_differences(text.replace("threads |", "threads | cost |"), comparison) == [
        "|  | 32 threads | cost |"
    ]


def test_the_command_shows_and_draws_a_result(tmp_path: Path) -> None:
    """Without running anything again."""
    main(["--from", str(FOLDER / "compare.json"), "--pictures", str(tmp_path)])
    names = [path.name for path in sorted(tmp_path.iterdir())]
    assert names == ["compare-dark.svg", "compare-light.svg"]
