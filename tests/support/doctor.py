"""What `requests-jwt doctor` reports, read back from its table."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from requests_jwt_refresh.cli.checks import check
from requests_jwt_refresh.cli.doctor import write_findings
from requests_jwt_refresh.profiles.load import Profiles
from requests_jwt_refresh.tokens import with_expiry

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer
    from tests.support.command_line import CommandResult, User

HEALTHY = dict.fromkeys(("profile", "store", "lock", "token", "endpoint", "clock"), "ok")


class Finding(NamedTuple):
    """What doctor says of one thing."""

    sign: str
    cause: str
    remedy: str


class Report(NamedTuple):
    """All that doctor says."""

    status: int
    findings: dict[str, Finding]
    text: str

    def signs(self) -> dict[str, str]:
        return {subject: finding.sign for subject, finding in self.findings.items()}

    def is_healthy_but_for(self, **signs: str) -> bool:
        """Whether all is well but these; the exit status and the last line say the same."""
        faults = sum(sign == "FAULT" for sign in signs.values())
        number = f"{faults} fault{'s' * (faults > 1)}" if faults else "No fault"
        assert self.signs() == {**HEALTHY, **signs}, self.text
        assert self.text.endswith(f"\n{number} found.\n")
        assert self.status == (1 if faults else 0)
        return True

    def has_no_clock_and(self, **signs: str) -> bool:
        """Whether all is well but these, and there was no response to read a time from."""
        expected = {**HEALTHY, **signs}
        del expected["clock"]
        assert self.signs() == expected, self.text
        assert self.status == 1
        return True


def examine(user: User) -> Report:
    """Run doctor and read its table."""
    return read_report(user.run("doctor", "prod"))


def check_within(user: User, **waits: float) -> Report:
    """Run doctor's checks with waits of the test's own, and read their table."""
    profiles = Profiles.read()
    profile = profiles.profile("prod")
    return read_report(user.call(lambda: write_findings(check(profile, profiles, **waits))))


def read_report(result: CommandResult) -> Report:
    """Read the table that doctor has printed."""
    assert result.err == ""
    assert all(line.isprintable() for line in result.out.split("\n"))
    findings: dict[str, Finding] = {}
    subject = ""
    for line in result.out.splitlines()[:-1]:
        sign, name, text = line[:6].strip(), line[6:16].strip(), line[16:]
        if sign:
            subject = name
            assert subject not in findings
            findings[subject] = Finding(sign, text, "")
        else:
            assert text.startswith("-> ")
            findings[subject] = findings[subject]._replace(remedy=text.removeprefix("-> "))
    assert all(each.remedy for each in findings.values() if each.sign == "FAULT"), "what to do?"
    return Report(result.status, findings, result.out)


@pytest.fixture
def healthy_user(user: User, server: AuthServer) -> User:
    """A user who is logged in, with nothing wrong."""
    user.describe(server)
    user.save_token(with_expiry(server.login()))
    return user
