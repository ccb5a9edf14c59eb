"""From the options of init to a profile, as it stands in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import requests_jwt_refresh as library
from requests_jwt_refresh.cli.console import UsageError
from requests_jwt_refresh.presets import load as load_preset
from requests_jwt_refresh.profiles.kinds import STORE_KINDS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

_PROOFS: Final = {"jwt-bearer": "assertion_file", "token-exchange": "subject_token_file"}
_OF_RESPONSE: Final = ("access", "refresh", "expires_in")
_OF_REFRESH: Final = (
    *("refresh_url", "set", "send", *_OF_RESPONSE, "client_id", "client_auth", "scope"),
)
_OPTIONS: Final = {
    "base_url": "--base-url",
    "refresh.preset": "--preset",
    "refresh.url": "--refresh-url",
    "refresh.client_id": "--client-id",
    "refresh.client_auth": "--client-auth",
    "refresh.scope": "--scope",
    "login.url": "--login-url",
    "login.send": "--login-send",
    "login.username_field": "--username-field",
    "login.password_field": "--password-field",
}
"""Keys of a profile, and the options of init that write them."""
_IN_URLS: Final = ("domain", "tenant", "region", "realm", "server", "subdomain")  # of presets


def make_content(options: argparse.Namespace) -> dict[str, Any]:
    """Return the profile that the options describe, as it stands in the file."""
    content: dict[str, Any] = {"base_url": options.base_url}
    if options.trusted_origin:
        content["trusted_origins"] = options.trusted_origin
    if options.allow_http:
        content["allow_http"] = True
    content |= _drop_empty({"attach": _make_attach(options)})
    if not options.no_refresh:
        content["refresh"] = _make_refresh(options)
    content |= _drop_empty({"headers": _make_headers(options)})
    when = dict(zip(("json_field", "value"), options.expired or (), strict=False))
    if options.expired_status:
        when["status"] = options.expired_status
    if when:
        content["when"] = when
    store = {"path": options.path, "url": options.redis, "key": options.key}
    if options.kept_store:
        content["store"] = options.kept_store
    elif any(store.values()) or options.store not in (None, STORE_KINDS[0]):
        where = options.store or ("file" if options.path else "redis")
        content["store"] = _drop_empty({"kind": where, **store})
    login = {
        "send": _choose_login_send(options),
        "url": options.login_url,
        "username_field": options.username_field,
        "password_field": options.password_field,
        **{name: _to_place(getattr(options, f"login_{name}")) for name in ("access", "refresh")},
        "expires_in": options.login_expires_in,
    }
    parameters = _make_login_parameters(options)
    browser = {
        "issuer": options.issuer_found,
        "authorization_url": options.authorization_url,
        "redirect_uri": options.redirect_uri,
        "scope": options.authorization_url and options.scope,
        "response_mode": options.response_mode,
        "sends_iss": options.sends_iss,
        "extra": options.authorization_url and {**(options.usual_parameters or {}), **parameters},
    }
    device = {
        "url": options.device_url,
        "scope": options.device_url and options.scope,
        "extra": options.device_url and parameters,
    }
    logout = {
        "send": options.logout_send,
        "url": options.logout_url,
        "end_session_url": options.end_session_url,
    }
    tables = {"login": login, "browser": browser, "device": device, "logout": logout}
    content |= {name: _drop_empty(table) for name, table in tables.items() if any(table.values())}
    return content


def _choose_login_send(options: argparse.Namespace) -> str | None:
    """Return how a login is sent: to a token endpoint as RFC 6749 §4.3 has it, unless told."""
    is_token_url = bool(options.login_url) and options.login_url == options.refresh_url
    is_oauth2 = is_token_url and options.kind == "oauth2"
    return options.login_send or ("oauth2" if is_oauth2 else None)


def _make_refresh(options: argparse.Namespace) -> dict[str, Any]:
    kind = {"preset": options.preset} if options.preset else {"kind": options.kind or "json"}
    fields = {name: getattr(options, name) for name in ("expires_in", "client_id", "client_auth")}
    places = ("send", "access", "refresh")
    fields = {name: _to_place(getattr(options, name)) for name in places} | fields
    has_login = options.device_url or options.authorization_url
    scope = None if has_login else options.scope
    table = {**kind, "url": options.refresh_url, **fields, "scope": scope, **dict(options.set)}
    return _drop_empty(table)


def _to_place(text: str | None) -> str | dict[str, str] | None:
    """Return the place that an option or an answer names, ``header:NAME`` say; a field is a path.

    >>> _to_place("header:X-Auth-Token"), _to_place("data.token")
    ({'header': 'X-Auth-Token'}, 'data.token')
    """
    kind, colon, name = (text or "").partition(":")
    return {kind: name.strip()} if colon and kind in ("header", "cookie") else text


def _make_attach(options: argparse.Namespace) -> dict[str, Any]:
    """Return the place of the access token; {} if it is the usual one."""
    if options.dpop:
        return {"dpop": True}
    header = options.attach_header or (options.attach_scheme and "Authorization")
    place = {"header": header, "scheme": options.attach_scheme, "cookie": options.attach_cookie}
    return _drop_empty({**place, "csrf": list(options.csrf or ())})


def _make_login_parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Return what logins send besides; several values of one name are a list.

    Raises UsageError if there is no such login.
    """
    if options.login_parameter and not (options.authorization_url or options.device_url):
        raise UsageError(
            "--login-parameter is for logins by browser or device, and there is none",
            "give --authorization-url or --device-url, or leave it out",
        )
    values: dict[str, list[str]] = {}
    for name, value in options.login_parameter:
        values.setdefault(name, []).append(value)
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


def _make_headers(options: argparse.Namespace) -> dict[str, Any]:
    headers: dict[str, Any] = dict(options.header)
    headers |= {name: {"file": path} for name, path in options.header_file}
    return headers | {name: {"keyring": True} for name in options.header_keyring}


def _drop_empty(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if value}


def find_missing_option(options: argparse.Namespace) -> str | None:
    """Return an option that this profile needs and that is not given yet, None if all are."""
    if not options.base_url:
        return "--base-url"
    if options.no_refresh:
        return None if options.login_url else "--login-url"
    if options.preset:
        if load_preset(options.preset).needs_url and not options.refresh_url:
            return "--refresh-url"
    elif not options.refresh_url:
        return "--refresh-url or --preset"
    needed = list_needed(options)
    if not needed:
        return None
    _check_set(options, needed)
    return "--client-id" if needed[0] == "client_id" else f"--set {needed[0]}="


def _check_set(options: argparse.Namespace, needed: Sequence[str]) -> None:
    """Raise UsageError for a key of --set that may be one of those `needed`, misspelt."""
    import difflib

    for key in dict(options.set):
        close = difflib.get_close_matches(key, needed, 1)
        if close:
            raise UsageError(f"--set {key}= is not known", f"did you mean --set {close[0]}=?")


def check_no_refresh(options: argparse.Namespace) -> None:
    """Raise UsageError for an option about a refresh beside --no-refresh."""
    for name in _OF_REFRESH if options.no_refresh else ():
        if getattr(options, name):
            option = name.replace("_", "-")
            raise UsageError(
                f"--{option} is about a refresh, and --no-refresh says that there is none",
                f"for the login's response write --login-{option}"
                if name in _OF_RESPONSE
                else "leave one of them out",
            )


def list_needed(options: argparse.Namespace) -> list[str]:
    """Return the keys of the refresh that are needed and not given yet."""
    needed = [_PROOFS[options.kind]] if options.kind in _PROOFS else []
    if options.kind == "client-credentials":
        needed.append("client_id")
    if options.preset:
        needed += load_preset(options.preset).list_needed()
    given = {*dict(options.set), *(["client_id"] if options.client_id else [])}
    if options.refresh_url:  # it says what these would have said
        needed = [name for name in needed if name not in _IN_URLS]
    return [name for name in needed if name not in given]


def find_documented_url(name: str, content: Mapping[str, Any], table: str) -> str | None:
    """Return where the preset's documentation has "login" or "logout"; None if it does not say.

    Below the base URL if it is there. A profile uses the login by itself, the logout only if it has
    that table: not every server has it switched on.
    """
    from requests_jwt_refresh.profiles.load import check, default_path

    try:
        grant = getattr(check(default_path(), name, {**content, table: {}}), table)
    except library.ProfileError:
        return None
    url = ((grant and grant.url) or "").replace("%7Busername%7D", "{username}")
    below = url.removeprefix(content["base_url"].rstrip("/"))
    return (below if below.startswith("/") else url) or None


def find_options(content: Mapping[str, Any]) -> list[str] | None:
    """Return the options of init that make a preset's profile, but for its store, as `content` has.

    None if no options make all of it.
    """
    found: list[str] = []
    for key, value in _flatten(content):
        table, _, name = key.partition(".")
        if table == "store":
            continue
        if value is True and key == "allow_http":
            found.append("--allow-http")
        elif not isinstance(value, str) or value.startswith("-"):  # which is taken for an option
            return None
        elif key in _OPTIONS:
            found += [_OPTIONS[key], value]
        elif table == "refresh" and name != "kind":
            found += ["--set", f"{name}={value}"]
        else:
            return None
    return found


def _flatten(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the keys of a profile with their values, those of a table with its name before them."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{name}", each) for name, each in value.items())
        else:
            yield key, value


def find_profile_problem(name: str, content: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a profile that has not been written yet."""
    from requests_jwt_refresh.profiles.load import check, default_path

    try:
        check(default_path(), name, content, prefix="")
    except library.ProfileError as error:
        return str(error).replace("allow_http = true", "--allow-http")
    return None
