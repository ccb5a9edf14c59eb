"""A keyring that works, for commands that run as programs of their own; it forgets at their end.

Never import this into the tests' own process: keyring would find it there. `use_working_keyring` in
keyrings.py has programs find it.
"""

from __future__ import annotations

from keyring.backend import KeyringBackend


class WorkingKeyring(KeyringBackend):
    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        return vars(self).get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        vars(self)[f"{service} {username}"] = password

    def delete_password(self, service: str, username: str) -> None:
        del vars(self)[f"{service} {username}"]
