"""Write what terminals show into the pages: ``python -m tests.transcripts [--pictures]``."""

from __future__ import annotations

import argparse

from tests.support.documents import PAGES, ROOT
from tests.transcripts.pages import replace_blocks
from tests.transcripts.pictures import draw_all
from tests.transcripts.sessions import STORIES, play
from tests.transcripts.stable import strip_colours


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.transcripts", description=__doc__)
    parser.add_argument("--pictures", action="store_true", help="also draw the demo, for .github/")
    options = parser.parse_args()
    sessions = {name: text for story in STORIES for name, text in play(story).items()}
    plain = {name: strip_colours(text) for name, text in sessions.items()}
    files = {ROOT / path: replace_blocks(page, plain) for path, page in PAGES.items()}
    if options.pictures:
        files |= draw_all(sessions["demo"])
    for file, content in files.items():
        if not file.exists() or file.read_text(encoding="utf-8") != content:
            file.write_text(content, encoding="utf-8")
            print(f"Written: {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
