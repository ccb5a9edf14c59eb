"""Another home for this user, as far as the password database goes: lock files go there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def set_home(monkeypatch: pytest.MonkeyPatch, home: Path | None) -> None:
    """Let the password database say `home`; None is a user that it does not know."""
    import pwd

    def getpwuid(uid: int) -> pwd.struct_passwd:
        if home is None:
            raise KeyError(uid)
        return pwd.struct_passwd(("user", "x", uid, uid, "", str(home), "/bin/sh"))

    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
