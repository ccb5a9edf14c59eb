"""profiles: list the profiles, and say which are faulty."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.commands import add_command, examples
from requests_jwt_refresh.cli.console import Exit, complain, remedy_for, sanitize, write_json

if TYPE_CHECKING:
    import argparse

    from requests_jwt_refresh.cli.commands import Subparsers
    from requests_jwt_refresh.profiles.load import Profiles


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "profiles",
        run,
        description="The exit status is 2 if one of them is faulty.",
        epilog=examples(
            ("$EDITOR $(requests-jwt profiles --path)", "edit the file"),
            ("for p in $(requests-jwt profiles --names); do ...", "for each profile"),
        ),
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--names", action="store_true", help="print only the names, one per line")
    form.add_argument("--path", action="store_true", help="print only the path of the file")
    form.add_argument("--json", action="store_true", help="print JSON, for programs")


def run(options: argparse.Namespace) -> int:
    from requests_jwt_refresh.profiles.load import Profiles, default_path, is_name

    if options.path:
        sys.stdout.write(f"{default_path()}\n")
        return Exit.DONE
    profiles = Profiles.read()
    if options.names:
        sys.stdout.writelines(f"{name}\n" for name in profiles.names if is_name(name))
        return Exit.DONE
    rows, faults = _make_rows(profiles)
    if options.json:
        write_json({"file": str(profiles.file), "profiles": rows})
    else:
        _write_table(profiles, rows)
    for fault in faults:
        complain(fault.cause, remedy_for(fault, None))
    return Exit.USAGE if faults else Exit.DONE


def _make_rows(profiles: Profiles) -> tuple[list[dict[str, Any]], list[library.ProfileError]]:
    """Return what there is to say about each profile, and what is wrong with the faulty ones."""
    rows: list[dict[str, Any]] = []
    faults = []
    for name in profiles.names:
        row: dict[str, Any] = {"name": name, "base_url": None, "store": None, "fault": None}
        try:
            profile = profiles.profile(name)
        except library.ProfileError as error:
            faults.append(error)
            row["fault"] = error.cause
        else:
            row |= {"base_url": profile.base_url, "store": profile.store_label}
        rows.append(row)
    return rows, faults


def _write_table(profiles: Profiles, rows: list[dict[str, Any]]) -> None:
    width = max([len(sanitize(each["name"])) for each in rows], default=0)
    for each in rows:
        what = "faulty, see below" if each["fault"] else f"{each['base_url']}  ({each['store']})"
        sys.stdout.write(f"{sanitize(each['name']):<{width}}  {what}\n")
    sys.stdout.write(f"{'' if rows else 'No profiles '}in {profiles.file}\n")
