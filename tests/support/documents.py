"""The pages for users: README.md and the guide."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
PAGES: Final = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (README, *sorted((ROOT / ".github" / "guide").glob("*.md")))
}
TEXT: Final = "\n".join(PAGES.values())
