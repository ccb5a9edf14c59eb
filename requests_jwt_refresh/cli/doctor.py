"""doctor: find out what is wrong with a profile, and what to do about it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.account import read_profile
from requests_jwt_refresh.cli.commands import add_command, add_profile_name, examples
from requests_jwt_refresh.cli.console import Exit, hanging_indent, remedy_for

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from requests_jwt_refresh.cli.commands import Subparsers
    from requests_jwt_refresh.cli.findings import Finding


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "doctor",
        run,
        description="Checks the profile, the store (write, read, clear, in an entry "
        "of its own), its lock, the token, the endpoints of refresh and login (no token is sent), "
        "TLS and the clock, and whether the server knows the client and its redirect URI. The exit "
        "status is 1 if there is a fault.",
        epilog=examples(("requests-jwt doctor prod", "before you ask for help")),
    )
    add_profile_name(parser, is_optional=True)


def run(options: argparse.Namespace) -> int:
    from requests_jwt_refresh.cli.checks import check
    from requests_jwt_refresh.cli.findings import FAULT, Finding

    try:
        profile = read_profile(options)
    except library.ProfileError as error:
        if options.name is None:
            raise  # there is no profile to say something of
        remedy = remedy_for(error, getattr(options, "reference", options.name))
        return write_findings([Finding(FAULT, "profile", error.cause, remedy)])
    return write_findings(check(profile, options.profiles))


def write_findings(findings: Iterable[Finding]) -> int:
    """Write each finding as soon as it is there; return the exit status."""
    from requests_jwt_refresh.cli.findings import FAULT
    from requests_jwt_refresh.profiles.own_command import spell_out
    from requests_jwt_refresh.profiles.schema import make_printable

    faults = 0
    for each in findings:
        faults += each.sign == FAULT
        lines = [hanging_indent(f"{each.sign:<6}{each.subject:<10}", make_printable(each.cause))]
        if each.remedy:
            remedy, start = spell_out(each.remedy), f"{'':<16}-> "
            is_short = remedy == each.remedy  # a whole path is not broken over lines
            text = make_printable(remedy)
            lines.append(hanging_indent(start, text) if is_short else f"{start}{text}")
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()
    plural = "" if faults == 1 else "s"
    sys.stdout.write(f"{faults} fault{plural} found.\n" if faults else "No fault found.\n")
    return Exit.FAULT if faults else Exit.DONE
