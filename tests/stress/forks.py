"""A fork at every moment of a program's first refresh: parent and child are answered.

    python -m tests.stress.forks [--store file|keyring|redis|all] [--steps 60 --step 1.0]

Each fork is a program of its own, in which nothing has been imported that comes late. Its first
call, in a thread, meets an expired token; some milliseconds later it forks, and the child
refreshes, too. The server has a grace window, for where both refresh.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.testing import AuthServer
from requests_jwt_refresh.tokens import with_expiry
from tests.stress.locations import add_store_option, list_chosen_stores, new_location
from tests.stress.programs import fork_at, start_program
from tests.stress.workers import make_store, read_line

if TYPE_CHECKING:
    from tests.stress.locations import StoreLocation

GOOD: Final = "[200] 0"


def explore(location: StoreLocation, steps: int, milliseconds: float) -> Counter[str]:
    """Fork at so many moments; return how often what came of it."""
    outcomes: Counter[str] = Counter()
    for step in range(steps):
        outcomes[fork_once(location, step * milliseconds)] += 1
    return outcomes


def fork_once(location: StoreLocation, milliseconds: float) -> str:
    """Return the parent's status and how the child has ended, GOOD if both were answered."""
    with AuthServer(rotate=True, detect_reuse=True, grace=3600.0) as server:
        make_store(location.kind, location.name).save(with_expiry(server.login()))
        server.expire()
        with start_program(fork_at, location, server.url, str(milliseconds)) as program:
            return read_line(program)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add_store_option(parser)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--step", type=float, default=1.0, help="milliseconds")
    options = parser.parse_args()
    findings = 0
    for kind in list_chosen_stores(options.store):
        with new_location(kind) as location:
            outcomes = explore(location, options.steps, options.step)
        bad = {outcome: times for outcome, times in outcomes.items() if outcome != GOOD}
        findings += sum(bad.values())
        print(
            f"{kind}: {outcomes.total()} forks, {sum(bad.values())} findings {bad or ''}",
            flush=True,
        )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
