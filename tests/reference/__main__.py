"""Build the API reference into a folder. A warning or a link that leads nowhere is an error."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from tests.reference.build import build_reference
from tests.reference.links import find_broken_links


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python -m tests.reference FOLDER", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_reference(folder)
    broken = find_broken_links(folder)
    for each in broken:
        print(f"leads nowhere: {each}", file=sys.stderr)
    print(folder / "index.html")
    return int(bool(broken))


sys.exit(main())
