"""refresh_ahead in a profile: an option of the adapter's, which stands at the top."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import JWTRefreshAdapter
from requests_jwt_refresh.profiles.edit import write_profile
from requests_jwt_refresh.profiles.load import Profiles
from tests.support.profiles import (
    JSON,
    PROD,
    catch_fault,
    file,
    no_profiles_in_the_environment,
    profile,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["file", "no_profiles_in_the_environment"]  # fixtures

LIVE = f'{JSON}send = false\nsend_access = {{ header = "Authorization" }}\n'


@pytest.mark.parametrize(("text", "seconds"), [("90", 90.0), ("0.5", 0.5), ("0", 0.0)])
def test_a_profile_says_how_long_ahead_tokens_are_refreshed(
    file: Path, text: str, seconds: float
) -> None:
    """In seconds; 0 is off. The adapter is given the same."""
    made = profile(file, f"{PROD}refresh_ahead = {text}\n{JSON}")
    assert made.options()["refresh_ahead"] == seconds
    with closing(JWTRefreshAdapter.from_profile("prod", file)) as adapter:
        assert vars(adapter)["_refresh_ahead"] == seconds


def test_a_profile_may_leave_it_to_the_adapter(file: Path) -> None:
    """A share of the token's lifetime is what the adapter has without the option."""
    assert "refresh_ahead" not in profile(file, f"{PROD}{JSON}").options()


def test_a_function_may_say_otherwise_than_the_profile(file: Path) -> None:
    """What from_profile() is given goes before what the file says."""
    file.write_text(f"{PROD}refresh_ahead = 90\n{JSON}")
    with closing(JWTRefreshAdapter.from_profile("prod", file, refresh_ahead=0)) as adapter:
        assert vars(adapter)["_refresh_ahead"] == 0


@pytest.mark.parametrize("bad", ["-1", "-0.1", "nan", "inf", "1e10", f"1{'0' * 400}"])
def test_it_is_a_number_of_seconds_of_a_lifetime(file: Path, bad: str) -> None:
    """The error names file, profile and key, and what may stand there."""
    file.write_text(f"{PROD}refresh_ahead = {bad}\n{JSON}")
    error = catch_fault(file).value
    where = f"{file}: profile 'prod': refresh_ahead"
    assert error.cause.startswith(f"{where} must be a number of seconds from 0 (off) to ")
    assert error.remedy == "give such a number, or leave the key out"


@pytest.mark.parametrize("bad", ["true", '"90"', "[90]", "1979-05-27"])
def test_it_is_nothing_else(file: Path, bad: str) -> None:
    """Nor a boolean, although Python takes those for numbers."""
    file.write_text(f"{PROD}refresh_ahead = {bad}\n{JSON}")
    assert "refresh_ahead must be a number of seconds, not " in str(catch_fault(file).value)


@pytest.mark.parametrize("off", ["0", "0.0", "-0.0"])
def test_it_cannot_be_off_where_the_token_must_be_live(file: Path, off: str) -> None:
    """An endpoint that takes the access token alone takes none that has expired."""
    file.write_text(f"{PROD}refresh_ahead = {off}\n{LIVE}")
    error = catch_fault(file).value
    assert error.cause == (
        f"{file}: profile 'prod': refresh_ahead = 0 does not go with this endpoint, which takes "
        "the access token only while that is valid"
    )
    assert error.remedy == "leave the key out, or give a number of seconds above 0"


def test_any_other_number_goes_with_a_token_that_must_be_live(file: Path) -> None:
    """Such a token is refreshed ahead in any case; the number says when."""
    made = profile(file, f"{PROD}refresh_ahead = 90\n{LIVE}")
    assert made.options()["refresh_ahead"] == 90.0


def test_it_is_kept_when_another_profile_is_written(file: Path) -> None:
    """`requests-jwt init` writes one profile, and leaves all others as they are."""
    file.write_text(f"{PROD}refresh_ahead = 90\n{JSON}")
    other = {"base_url": "https://h", "refresh": {"preset": "directus"}}
    write_profile(file, "other", other, replace=False)
    assert Profiles.read(file).profile("prod").refresh_ahead == 90.0


def test_it_can_be_written(file: Path) -> None:
    """As a number at the top of the profile, which is read back as it was."""
    content = {"base_url": "https://h", "refresh_ahead": 0, "refresh": {"preset": "directus"}}
    write_profile(file, "prod", content, replace=False)
    assert Profiles.read(file).profile("prod").refresh_ahead == 0


def test_in_another_table_it_says_where_it_belongs(file: Path) -> None:
    """It is the adapter's, and not the endpoint's."""
    file.write_text(f"{PROD}{JSON}refresh_ahead = 90\n")
    error = catch_fault(file).value
    assert "refresh.refresh_ahead is not known" in error.cause
    assert "write it in [prod] itself" in error.remedy
