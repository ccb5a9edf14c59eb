"""The tests. PROMISES says which files hold each promise of .github/ARCHITECTURE.md."""

from __future__ import annotations

from typing import Final

PROMISES: Final[dict[str, tuple[str, ...]]] = {
    "Where the token goes": (
        "test_origins",
        "test_urls",
        "test_relative_urls",
        "test_mounting",
    ),
    "The caller's objects": (
        "test_callers_objects",
        "test_refresh_session",
    ),
    "An Authorization already there": ("test_authorization",),
    "The 401": (
        "test_matching",
        "test_endpoints",
        "test_presets",
        "test_simplejwt",
        "test_flask_jwt",
    ),
    "One refresh": (
        "test_single_flight",
        "test_processes",
        "test_memory_store",
        "test_redis_store",
        "test_store_base",
    ),
    "Rejected or unavailable": ("test_refusals", "test_unavailable"),
    "Nothing lost": (
        "test_nothing_lost",
        "test_store_failures",
        "test_file_store",
        "test_keyring_store",
        "test_kills",
        "test_sigterm",
    ),
    "Nothing silent": ("test_secrets",),
    "Bodies": ("test_uploads",),
    "Time": ("test_single_flight",),
    "Loops": ("test_refusals",),
    "Secrets": ("test_secrets",),
    "Quiet transparency": (
        "test_users_mocks",
        "test_hot_path",
        "test_run_transparency",
    ),
    "Python not needed": (
        "test_auto",
        "test_cli",
        "test_commands",
        "test_completion",
        "test_demo",
        "test_doctor",
        "test_httpie",
        "test_init",
        "test_login",
        "test_profiles",
        "test_run",
    ),
    "Test your own code": (
        "test_auth_server",
        "test_auth_server_oauth2",
        "test_pytest_plugin",
    ),
}

# What no promise is about: that names stay, and that what is written is so.
HOUSEKEEPING: Final = ("test_documents", "test_public_names", "test_readme")
