"""refresh: ask the server for a new token now."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from requests_jwt_refresh.cli.account import (
    check_logged_in,
    check_not_from_environment,
    open_profile,
)
from requests_jwt_refresh.cli.commands import (
    EXIT_STATUSES,
    add_command,
    add_profile_name,
    examples,
)
from requests_jwt_refresh.cli.console import Exit, format_expiry

if TYPE_CHECKING:
    import argparse

    from requests_jwt_refresh.cli.commands import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "refresh",
        refresh,
        epilog=examples(("requests-jwt refresh prod", "for example after your rights have changed"))
        + EXIT_STATUSES,
    )
    add_profile_name(parser, is_optional=True)


def refresh(options: argparse.Namespace) -> int:
    profile, adapter = open_profile(options)
    check_not_from_environment(profile, "refresh", ", or put a new access token there")
    check_logged_in(profile, adapter, options.profiles)
    end = adapter.refresh().expires_at
    life = "" if end is None else f": the access token {format_expiry(end)}"
    sys.stdout.write(f"Refreshed{life}.\n")
    return Exit.DONE
