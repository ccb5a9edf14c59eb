"""profiles: list what is in the file of profiles."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.console import Exit, complain, remedy_for, sanitize, write_json
from requests_jwt_refresh.cli.options import add_command, examples

if TYPE_CHECKING:
    import argparse

    from requests_jwt_refresh.cli.options import Subparsers
    from requests_jwt_refresh.profiles.load import Profiles


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "profiles",
        run,
        description="The exit status is 2 if one of them is faulty.",
        epilog=examples(
            ("$EDITOR $(requests-jwt profiles --path)", "edit the file"),
            ("for p in $(requests-jwt profiles --names); do ...", "each of them"),
        ),
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--names", action="store_true", help="the names alone, one a line")
    form.add_argument("--path", action="store_true", help="the file's path alone")
    form.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    from requests_jwt_refresh.profiles.load import Profiles, default_path, is_name

    if options.path:
        sys.stdout.write(f"{default_path()}\n")
        return Exit.DONE
    known = Profiles.read()
    if options.names:
        sys.stdout.writelines(f"{name}\n" for name in known.names if is_name(name))
        return Exit.DONE
    rows, faults = _rows(known)
    if options.json:
        write_json({"file": str(known.file), "profiles": rows})
    else:
        _write_table(known, rows)
    for fault in faults:
        complain(fault.cause, remedy_for(fault, None))
    return Exit.USAGE if faults else Exit.DONE


def _rows(known: Profiles) -> tuple[list[dict[str, Any]], list[library.ProfileError]]:
    """Return what there is to say about each profile, and what is wrong with the faulty ones."""
    rows: list[dict[str, Any]] = []
    faults = []
    for name in known.names:
        row: dict[str, Any] = {"name": name, "base_url": None, "store": None, "fault": None}
        try:
            profile = known.profile(name)
        except library.ProfileError as error:
            faults.append(error)
            row["fault"] = error.cause
        else:
            row |= {"base_url": profile.base_url, "store": profile.store_label}
        rows.append(row)
    return rows, faults


def _write_table(known: Profiles, rows: list[dict[str, Any]]) -> None:
    width = max([len(sanitize(each["name"])) for each in rows], default=0)
    for each in rows:
        what = "faulty, see below" if each["fault"] else f"{each['base_url']}  ({each['store']})"
        sys.stdout.write(f"{sanitize(each['name']):<{width}}  {what}\n")
    sys.stdout.write(f"{'' if rows else 'No profiles '}in {known.file}\n")
