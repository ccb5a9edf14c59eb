"""What the pages show of terminals is what terminals show, but for ports, dates and the like.

Where it is not: ``python -m tests.transcripts --pictures`` writes it anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from tests.support.command_line import needs_posix
from tests.support.documents import PAGES
from tests.transcripts.pages import Block, find_blocks, replace_blocks
from tests.transcripts.pictures import FOLDER, PICTURES, draw_all
from tests.transcripts.sessions import STORIES, Story, play
from tests.transcripts.stable import COLUMNS, HOME, Stabilizer, strip_colours

BLOCKS: Final = [block for page in PAGES.values() for block in find_blocks(page)]
NAMES: Final = [name for story in STORIES for name in story.names]
SVG: Final = "{http://www.w3.org/2000/svg}"


# --- What the pages show -------------------------------------------------------------------------


@needs_posix
@pytest.mark.parametrize("story", STORIES, ids=lambda story: "-".join(story.names))
def test_the_pages_show_what_terminals_show(story: Story) -> None:
    """Word for word; the commands are run in terminals, with a keyring and a browser."""
    shown = {name: strip_colours(text) for name, text in play(story).items()}
    assert shown == {block.name: block.text for block in BLOCKS if block.name in story.names}


def test_each_block_has_its_session_and_each_session_its_block() -> None:
    """A prompt in a page is followed by what a session has typed there; nothing is made up."""
    unknown = [block.text for block in BLOCKS if block.name not in NAMES]
    assert unknown == []
    assert sorted(str(block.name) for block in BLOCKS) == sorted(NAMES)


@pytest.mark.parametrize("block", BLOCKS, ids=[str(block.name) for block in BLOCKS])
def test_what_is_shown_fits_a_terminal(block: Block) -> None:
    """What is typed may be longer, for it is copied."""
    lines = [line for line in block.text.splitlines() if not line.startswith("$ ")]
    assert [line for line in lines if len(line) > COLUMNS] == []


# --- The pictures --------------------------------------------------------------------------------


def read_picture(name: str) -> ET.Element:
    return ET.fromstring((FOLDER / name).read_text(encoding="utf-8"))


def read_lines(picture: ET.Element) -> list[str]:
    """Return what stands in a picture, line by line."""
    lines: dict[float, str] = {}
    for each in picture.iter(f"{SVG}text"):
        y = float(each.attrib["y"])
        lines[y] = lines.get(y, "").ljust(round(float(each.attrib["x"]) / 12.2)) + (each.text or "")
    step = min(lines)
    rows = {round((y - step) / 24.4): text for y, text in lines.items()}
    return [rows.get(number, "").replace("\xa0", " ").rstrip() for number in range(max(rows) + 1)]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_shows_the_demo(name: str) -> None:
    """All of what the page has in a block."""
    (text,) = (block.text for block in BLOCKS if block.name == "demo")
    assert read_lines(read_picture(name)) == text.splitlines()


@pytest.mark.parametrize("name", PICTURES)
def test_the_readme_has_each_picture(name: str) -> None:
    """A browser picks one by the colours of the page."""
    assert f'"{FOLDER.name}/{name}"' in PAGES["README.md"]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_needs_nothing_else(name: str) -> None:
    """No font, no picture and no script from elsewhere; a title for those who do not see it."""
    picture = read_picture(name)
    text = (FOLDER / name).read_text(encoding="utf-8").replace("&#160;", " ")
    addresses = set(re.findall(r"\w+://[^\s\"<]+|url\((?!#)[^)]*\)|@import.*|@font-face", text))
    # The first says that it is an SVG, the second is what the demo shows.
    assert addresses == {"http://www.w3.org/2000/svg", "http://127.0.0.1:45551."}
    assert {each.tag for each in picture.iter()}.isdisjoint({f"{SVG}script", f"{SVG}image"})
    assert picture.findtext(f"{SVG}title")


def test_the_pictures_differ_in_colours_alone() -> None:
    """One is for light pages, one for dark."""
    texts = [(FOLDER / name).read_text(encoding="utf-8") for name in PICTURES]
    light, dark = (re.sub(r"#[0-9a-f]{6}", "#", text) for text in texts)
    assert light == dark
    assert texts[0] != texts[1]


def test_a_picture_is_drawn_of_what_is_shown() -> None:
    """Characters that mean something in XML, colours and empty lines included."""
    drawn = draw_all("$ a\n\n  \x1b[32m<&\x1b[0m  \x1b[1mb\x1b[0m")
    assert set(drawn) == {FOLDER / name for name in PICTURES}
    for text in drawn.values():
        assert read_lines(ET.fromstring(text)) == ["$ a", "", "  <&  b"]
        assert "font-weight: bold" in text


# --- How a page is written -----------------------------------------------------------------------

PAGE = """\
# Title

<!-- transcript: one -->
```text
$ requests-jwt old
old
```

```console
pip install x
```

<!-- transcript: two -->
```console
$ requests-jwt two
```

```text
$ requests-jwt bare
```
"""


def test_blocks_are_found_by_their_names() -> None:
    """A block without a prompt is none of a terminal's; one without a name is found as well."""
    assert find_blocks(PAGE) == [
        Block("one", "$ requests-jwt old\nold"),
        Block("two", "$ requests-jwt two"),
        Block(None, "$ requests-jwt bare"),
    ]


def test_only_blocks_are_written_anew() -> None:
    """The rest of the page stays, and so does a block whose session was not played."""
    expected = PAGE.replace("$ requests-jwt old\nold", "$ requests-jwt new\n\\1")
    assert replace_blocks(PAGE, {"one": "$ requests-jwt new\n\\1"}) == expected
    assert replace_blocks(PAGE, {}) == PAGE


# --- What is the same each time ------------------------------------------------------------------


def test_what_differs_each_time_is_replaced() -> None:
    """By the same values each time, and as long: lines are broken by their length."""

    def show(home: str, port: int, digest: str, code: str, secret: str, seconds: int) -> str:
        shown = (
            f"{home}/.config at http://127.0.0.1:{port}/a  \r\n"
            f"sha256 {digest} {code}\r\nRegistered a client: {secret}\r\n"
            f"http://x/?client_id={secret}&redirect_uri=http%3A%2F%2F127.0.0.1%3A{port}&nonce={digest}"
            f"&state={secret * 2}\r\n"
            f"token   expires in 4 min {seconds} s (2030-01-02 03:04:{seconds})\r\n"
            f"refresh {seconds} s ago\r\n"
        )
        return Stabilizer(Path(home)).stabilize(shown)

    first = show("/tmp/abcdef", 34567, "0123456789ab", "KGVM-DHBX", "abc_-9", 58)
    assert first == show("/tmp/ghijkl", 40000, "ffffffffffff", "BBBB-CCCC", "Q-3456", 59)
    lines = first.splitlines()
    assert lines[0] == f"{HOME}/.config at http://127.0.0.1:45551/a"
    assert re.fullmatch(r"sha256 [0-9a-f]{12} [B-Z]{4}-[B-Z]{4}", lines[1])
    assert re.fullmatch(r"Registered a client: [\w-]{6}", lines[2])
    client = lines[2].split()[-1]
    assert lines[3].startswith(
        f"http://x/?client_id={client}&redirect_uri=http%3A%2F%2F127.0.0.1%3A45551&nonce="
    )
    assert lines[-2:] == [
        "token   expires in 4 min 57 s (2026-11-24 14:39:36)",
        "refresh 2 s ago",
    ]


def test_lines_are_broken_as_a_terminal_breaks_them() -> None:
    """But for what is typed, which is copied from the page."""
    typed, shown = f"$ {'t' * 100}", "s" * 170
    text = Stabilizer(Path("/tmp/abcdef")).stabilize(f"{typed}\n\x1b[1m{shown}\x1b[0m")
    assert text.splitlines() == [typed, "s" * 80, "s" * 80, "s" * 10]


def test_two_that_differ_stay_two() -> None:
    """A second port is another one in the page, and the first is the same everywhere."""
    stabilizer = Stabilizer(Path("/tmp/abcdef"))
    shown = stabilizer.stabilize(
        "http://127.0.0.1:40000 http://127.0.0.1:50000 http://127.0.0.1:40000"
    )
    assert shown == "http://127.0.0.1:45551 http://127.0.0.1:45552 http://127.0.0.1:45551"
    assert stabilizer.stabilize("http://127.0.0.1:50000") == "http://127.0.0.1:45552"


def test_what_is_always_the_same_stays() -> None:
    """Durations that a command promises are not measured ones."""
    text = "Waiting for up to 5 min.\nhttp://127.0.0.1 is not https; 876,544 bytes"
    assert Stabilizer(Path("/tmp/abcdef")).stabilize(text) == text
