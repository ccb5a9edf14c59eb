"""Storing the first token of a login, which nobody gets a second time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.console import ask, complain, fill_in, remedy_for
from requests_jwt_refresh.cli.store_file import move_to_file

if TYPE_CHECKING:
    from requests_jwt_refresh.profiles.load import Profile
    from requests_jwt_refresh.tokens import Token


def check_writable(profile: Profile) -> None:
    """Write and clear an entry beside the token's, while nothing is lost if that fails.

    Raises StoreError.
    """
    with profile.probe_store.lock(profile.refresh_timeout):
        profile.probe_store.save(library.Token("requests-jwt-login"))  # no server accepts it
        profile.probe_store.clear()


class TokenKeeper:
    """Stores a token that a login has brought; if that fails, asks the person what to do."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        """Its store has the token in the end."""
        self._token: Token | None = None

    def keep(self, token: Token) -> None:
        """Store `token`. Raises StoreError if nobody can help."""
        try:
            self.save(token)
        except library.StoreError as failure:
            self.rescue(failure)

    def save(self, token: Token) -> None:
        """Store `token`, or raise StoreError and remember it for `rescue`."""
        self._token = token
        profile = self.profile
        with profile.store.lock(profile.refresh_timeout):  # not before: people take their time
            profile.store.save(token)

    def save_locked(self, token: Token) -> library.StoreError | None:
        """Store `token` under a lock that is held; return why that failed, for `rescue`."""
        self._token = token
        try:
            self.profile.store.save(token)
        except library.StoreError as failure:
            return failure
        return None

    def rescue(self, failure: library.StoreError) -> Token:
        """Let a person try again, or name a file; return the token once it is stored.

        Raises `failure` itself if it came before the login, and StoreError if nobody helps.
        """
        token = self._token
        if token is None:
            raise failure
        while sys.stdin.isatty():
            complain(_describe(failure), self._choose_remedy(failure))
            try:
                path = ask("Press Enter to try again, or type a path to keep it in a file: ")
            except EOFError:
                break
            if path:
                self.profile = move_to_file(self.profile, path)
            try:
                self.save(token)
            except library.StoreError as error:
                failure = error
            else:
                return token
        cause, remedy = _describe(failure), self._choose_remedy(failure)
        raise library.StoreError(f"{cause}; it is lost", f"{remedy}; then log in again")

    def _choose_remedy(self, failure: library.StoreError) -> str:
        return fill_in(remedy_for(failure, self.profile.reference), self.profile.reference)


def _describe(failure: library.StoreError) -> str:
    return f"the login went well, but its token could not be stored: {failure.cause}"
