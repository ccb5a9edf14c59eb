"""What is said of a fault in a profile: file, profile, key, and what to do."""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.adapter import JWTRefreshAdapter
from requests_jwt_refresh.profiles.load import Options, Profiles
from requests_jwt_refresh.profiles.schema import OF_PROFILE
from tests.support.profiles import (
    CLIENT,
    GOOD,
    JSON,
    JWT,
    LOGIN,
    OAUTH2,
    PROD,
    SECRET,
    STORE,
    WHEN,
    catch_fault,
    file,
    no_profiles_in_the_environment,
)

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["file", "no_profiles_in_the_environment"]  # fixtures


FAULTS: list[tuple[str, tuple[str, ...]]] = [
    # Unknown keys.
    (
        f"{PROD}colour = 1\n{JSON}",
        ("colour is not known. Leave it out. Known here: allow_http, attach, base_url, ",),
    ),
    (f"{PROD}{JSON}[prod.logn]\nurl = 1", ("logn is not known. Did you mean 'login'? Known",)),
    (f'{PROD}trusted_origin = ["x"]\n{JSON}', ("trusted_origin is not", "'trusted_origins'")),
    (f'{PROD}{JSON}acess = "x"', ("refresh.acess is not known", "Did you mean 'access'?")),
    (f'{PROD}[prod.refresh]\nkind = "bearer"\nurl = "/r"\nsent = "x"', ("refresh.sent is not",)),
    (
        f'{PROD}{JSON}renewed = {{ header = "X" }}',
        ("refresh.renewed is not known. Write it in [prod] itself, above the line of the first ",),
    ),
    (
        PROD + 'expires_in = "data.expiresIn"\n' + JSON,
        ("expires_in is not known. Write it in [prod.refresh]. Known here: ",),
    ),
    (f'{PROD}{JSON}message_key = "x"', ("refresh.message_key is not known",)),
    (f"{PROD}{CLIENT}ok = 200", ("refresh.ok is not known", "client_id")),
    (f'{PROD}{JSON}client_id = "x"', ("refresh.client_id is not known",)),
    (f"{WHEN}status = 401\nvalu = 1", ("when.valu is not known",)),
    (f'{WHEN}status = 401\nvalue = "x"', ("when.value is not known",)),
    (f"{WHEN}any_of = [{{status = 1, x = 1}}]", ("when.any_of.0: 1 is no HTTP status code",)),
    (f"{WHEN}any_of = [{{status = 401, x = 1}}]", ("when.any_of.0.x is not known",)),
    (f'{STORE}kind = "file"\npath = "t"\npaht = 1', ("store.paht is not", "mean 'path'")),
    (f'{STORE}kind = "keyring"\npath = "t"', ("store.path is not known", "account")),
    (f'{LOGIN}url = "/l"\nuser_field = "u"', ("login.user_field is", "'username_field'")),
    (f'{PROD}{CLIENT}[prod.device]\nurl = "/d"\nscop = "a"', ("device.scop is", "'scope'")),
    (f'{PROD}{JSON}[prod.logout]\nurl = "/l"\nmethd = "a"', ("logout.methd", "'method'")),
    (
        f'{PROD}"a\\u001b[31m\\nb" = 1\n{JSON}',
        (r"a\x1b[31m\nb is not known. Leave it out. Known here",),
    ),
    # Keys that are missing, and what may have been meant for them.
    (f"[prod]\n{JSON}", ("base_url is missing: it must be a string",)),
    (f'[prod]\nbase_ulr = "x"\n{JSON}', ("base_url is missing", "'base_ulr' a misspelling of it?")),
    (f'[prod]\nBASE_URL = "x"\n{JSON}', ("base_url is missing", "'BASE_URL' a misspelling of it?")),
    (
        PROD,
        (
            "refresh is missing: it must be a table with a preset (",
            "directus",
            "a kind (json, oauth2, be",
        ),
    ),
    (f'{PROD}[prod.refresh]\nkind = "json"\nurll = "x"', ("refresh.url is missing", "'urll'")),
    (f'{PROD}[prod.refresh]\nkind = "bearer"', ("refresh.url is missing",)),
    (f'{PROD}[prod.refresh]\npreset = "express"', ("refresh.url is missing",)),
    (f'{LOGIN}send = "form"', ("login.url is missing",)),
    (f'{LOGIN}uri = "x"', ("login.url is missing", "'uri' a misspelling")),
    (f"{PROD}{JSON}[prod.logout]", ("logout.url is missing",)),
    (f"{PROD}{CLIENT}[prod.device]", ("device.url is missing",)),
    (f"{PROD}{CLIENT}[prod.browser]", ("browser.authorization_url is missing",)),
    (f'{STORE}path = "x"', ("store.kind is missing",)),
    (f'{STORE}knd = "file"', ("store.kind is missing", "'knd' a misspelling")),
    (f'{STORE}kind = "file"\npth = "x"', ("store.path is missing", "'pth' a misspelling")),
    (f'{STORE}kind = "redis"\nurl = "redis://h"', ("store.key is missing: it must be a string",)),
    (f'{STORE}kind = "redis"\nkey = "k"', ("store.url or url_file is needed",)),
    (
        f'{STORE}kind = "redis"\nkey = "k"\nurl = "redis://h"\nurl_file = "x"',
        ("store.url or url_file is needed, and only one of them",),
    ),
    # Wrong types, for each reader.
    (f"[prod]\nbase_url = 1\n{JSON}", ("base_url must be a string, not a number",)),
    (f"[prod]\nbase_url = 1979-05-27\n{JSON}", ("base_url must be a string, not a date",)),
    (
        f"{PROD}{JSON}access = true",
        ("refresh.access must be the name of a field, or a table", "not true or"),
    ),
    (
        f'{PROD}trusted_origins = "x"\n{JSON}',
        ("trusted_origins must be a list of strings, not a ",),
    ),
    (f"{PROD}trusted_origins = [1]\n{JSON}", ("trusted_origins must be a list of strings",)),
    (
        f'{PROD}{JSON}ok = "200"',
        ("refresh.ok must be a whole number, or a list of them, not a str",),
    ),
    (f"{PROD}{JSON}ok = true", ("refresh.ok must be a whole number", "not true or false")),
    (f"{PROD}{JSON}ok = 200.5", ("refresh.ok must be a whole number", "not a float")),
    (
        f"{PROD}{JSON}rejected = [401, true]",
        ("refresh.rejected must be a whole number, or a list of ",),
    ),
    *(
        (f"{PROD}match_limit = {bad}\n{JSON}", ("match_limit must be a whole number above 0",))
        for bad in ("0", "-1")
    ),
    *(
        (f"{PROD}match_limit = {bad}\n{JSON}", ("match_limit must be a whole number, not ",))
        for bad in ("1.5", "true", '"1"', "[1]")
    ),
    (
        f'{PROD}refresh_timeout = "5"\n{JSON}',
        ("refresh_timeout must be a number of seconds, not a str",),
    ),
    *(
        (
            f"{PROD}refresh_timeout = {bad}\n{JSON}",
            ("refresh_timeout must be a number of seconds above 0, up to ",),
        )
        for bad in ("0", "-1", "nan", "inf", f"1{'0' * 400}")
    ),
    (
        f"{PROD}refresh_timeout = true\n{JSON}",
        ("refresh_timeout must be a number of seconds, not",),
    ),
    (
        f"{PROD}{JSON}rejected = []",
        ("refresh.rejected must be a whole number, or a list of them, not an empty list",),
    ),
    (f"{PROD}trusted_origins = [true]\n{JSON}", ("trusted_origins must be", "list of booleans")),
    (f"{PROD}trusted_origins = [[1]]\n{JSON}", ("trusted_origins must be", "a list of lists")),
    (f'{PROD}allow_http = "yes"\n{JSON}', ("allow_http must be true or false, not a string",)),
    (f"{PROD}{JSON}bare = 1", ("refresh.bare must be true or false, not a number",)),
    (
        f'{WHEN}json_field = "a"\nvalue = []',
        ("when.value must be a string, a number, true or fal",),
    ),
    (f'{WHEN}json_field = "a"\nvalue = 07:32:00', ("when.value must be", "not a date")),
    (f'{PROD}refresh = "json"\n', ("refresh must be a table, not a string",)),
    (f"{PROD}{JSON}[[prod.store]]", ("store must be a table, not a list",)),
    (f"{PROD}when = 401\n{JSON}", ("when must be a table, not a n",)),
    (f"{WHEN}any_of = {{status = 401}}", ("when.any_of must be a list of tables, not a table",)),
    (f"{WHEN}all_of = [401]", ("when.all_of must be a list of tables",)),
    (f'{PROD}{JSON}extra = "x"', ("refresh.extra must be a table, not a string",)),
    (f'{LOGIN}url = "/l"\nextra = ["x"]', ("login.extra must be a table, not a list",)),
    (f"{PROD}[prod.refresh]\nkind = 1", ("refresh.kind must be a string, not a number",)),
    # Empty strings.
    (f'[prod]\nbase_url = ""\n{JSON}', ("base_url is empty. Give it, or leave the key out",)),
    (f'{PROD}{JSON}send = ""', ("refresh.send is empty",)),
    (f'{PROD}[prod.refresh]\nkind = ""', ("refresh.kind is empty",)),
    (f'{PROD}{CLIENT}client_secret_file = ""', ("refresh.client_secret_file is empty",)),
    (f'{LOGIN}url = "/l"\nusername_field = ""', ("login.username_field is empty",)),
    (f'{STORE}kind = "file"\npath = ""', ("store.path is empty",)),
    (f'{WHEN}json_field = ""\nvalue = 1', ("when.json_field is empty",)),
    (f'{WHEN}bearer_challenge = ""', ("when.bearer_challenge is empty",)),
    # Words that are none of those known.
    (
        f'{PROD}[prod.refresh]\npreset = "simple-jwt"',
        ("refresh.preset has an unknown value. Did you mean 'simplejwt'?",),
    ),
    (
        f'{PROD}[prod.refresh]\npreset = "django-simplejwt-5"',
        ("refresh.preset has an unknown value. Did you mean 'simplejwt'?",),
    ),
    (
        f'{PROD}[prod.refresh]\npreset = "xyzzy"',
        ("refresh.preset must be one of 'amazon-sp-api', 'aspnetcore-identity', ", "Write one of"),
    ),
    (
        f'{PROD}[prod.refresh]\nkind = "OAuth"',
        (
            "refresh.kind must be one of 'bearer', 'client-credentials', 'json', ",
            "Did you mean 'oauth2'?",
        ),
    ),
    (f'{STORE}kind = "files"', ("store.kind must be one of 'file', 'keyring', 'redis'", "'file'")),
    (
        f'{LOGIN}url = "/l"\nsend = "jsn"',
        ("login.send must be one of 'basic', 'form', 'json', 'o",),
    ),
    (f'{PROD}{JSON}[prod.logout]\nurl = "/l"\nsend = "form"', ("logout.send must be one of",)),
    (f'{PROD}{CLIENT}client_auth = "none "', ("refresh.client_auth must be one of", "'none'")),
    # A preset or a kind.
    (
        f'{PROD}[prod.refresh]\nurl = "/r"',
        ("refresh.kind is missing: it must be one of json, oau",),
    ),
    (f'{PROD}{JSON}preset = "directus"', ("refresh needs either a preset or a kind",)),
    # URLs that cannot be used.
    (
        f'[prod]\nbase_url = "http://api.example.com"\n{JSON}',
        ("base_url cannot be used: ", "'http://api.example.com'", "Use https", "allow_http"),
    ),
    (
        f'[prod]\nbase_url = "https://h/?a=1"\n{JSON}',
        ("base_url cannot be used: ", "'https://h/'", "has a query or a fragment"),
    ),
    (f'[prod]\nbase_url = "h"\n{JSON}', ("base_url cannot be used: ", "'h' has no scheme")),
    (f'[prod]\nbase_url = "ftp://h"\n{JSON}', ("base_url cannot", "is not an http(s) URL")),
    (f'[prod]\nbase_url = "https://me@h"\n{JSON}', ("base_url cannot", "holds a user name")),
    (
        f'{PROD}trusted_origins = ["https://a.example", "https://b.example/x"]\n{JSON}',
        ("trusted_origins cannot be used", "'https://b.example/x' has a path"),
    ),
    (f'{PROD}trusted_origins = ["http://b.example"]\n{JSON}', ("trusted_origins", "Use https")),
    (
        f'{PROD}[prod.refresh]\nkind = "json"\nurl = "http://h/r"',
        ("refresh.url cannot be used: the refresh URL 'http://h/r'", "Use https"),
    ),
    (f'{PROD}[prod.refresh]\npreset = "directus"\nurl = "//h"', ("refresh.url cannot be used",)),
    (f'{LOGIN}url = "../l"', ("login.url cannot be used", "climbs out")),
    (f'{LOGIN}url = "http://h/l"', ("login.url cannot be used: the login URL", "Use https")),
    (f'{PROD}{JSON}[prod.logout]\nurl = "http://h"', ("logout.url cannot be used: the logout",)),
    (f'{PROD}{CLIENT}[prod.device]\nurl = "http://h"', ("device.url cannot be used: the device",)),
    (
        f'{PROD}{CLIENT}[prod.browser]\nauthorization_url = "http://h"',
        ("browser.authorization_url cannot be used: the browser",),
    ),
    (
        f'{PROD}{CLIENT}[prod.browser]\nauthorization_url = "/a"\nredirect_uri = "cb"',
        ("browser.redirect_uri cannot be used: the redirect_uri 'cb' has no", "127.0.0.1"),
    ),
    (
        f'{PROD}{CLIENT}[prod.browser]\nauthorization_url = "/a"\nresponse_mode = "fragment"',
        ("browser.response_mode must be", "form_post"),
    ),
    (
        f'{PROD}{CLIENT}[prod.browser]\nauthorization_url = "/a"\nredirect_url = "http://h"',
        ("browser.redirect_url is not known. Did you mean 'redirect_uri'?",),
    ),
    (
        f'{PROD}{CLIENT}[prod.logout]\nend_session_url = "http://h"',
        ("logout.end_session_url cannot be used",),
    ),
    (
        f'{PROD}{CLIENT}[prod.device]\nurl = "/d"\ntoken_url = "//h"',
        ("device.token_url cannot be used",),
    ),
    (f'{STORE}kind = "redis"\nkey = "k"\nurl = "http://h"', ("store: ", "not a Redis URL")),
    (
        f'{STORE}kind = "redis"\nkey = "k"\nurl = "redis://:{SECRET}@h"',
        ("store.url holds a password, and this file must not hold secrets", "url_file"),
    ),
    # Options that make no sense.
    (
        f"{PROD}{JSON}ok = [200, 401]\nrejected = [401]",
        ("refresh: ok and rejected cannot both have '401'",),
    ),
    (f"{PROD}{JSON}ok = 600", ("refresh: 600 is no HTTP status code (100 to 599)",)),
    (f'{PROD}{JSON}send = "a..b"', ("refresh: 'a..b' is no field name and no dotted path",)),
    (f"{PROD}{JSON}extra.d = 1979-05-27", ("refresh: extra holds something that cannot be wr",)),
    (f'{PROD}{JSON}send = "x"\nextra.x = "y"', ("refresh: extra must leave 'x' free",)),
    (f'{PROD}{CLIENT}extra.client_id = "x"', ("refresh: extra must not set 'client_id'",)),
    (
        f'{PROD}[prod.refresh]\nkind = "bearer"\nurl = "/r"\nmethod = "a b"',
        ("refresh: 'a b' is no HTTP method such as 'POST'",),
    ),
    *(
        (
            f"{PROD}{OAUTH2}{line}",
            ("refresh.client_id is missing: it must be the id that goes with the client's secret",),
        )
        for line in (
            'client_auth = "basic"',
            'client_auth = "post"\nextra.a = "b"',
            'client_secret_file = "x"',
        )
    ),
    (
        f'{PROD}{OAUTH2}clientid = "me"\nclient_auth = "basic"',
        ("refresh.client_id is", "'clientid'"),
    ),
    (
        f'{PROD}{CLIENT}client_auth = "none"\nclient_secret_file = "x"',
        ("refresh: client_auth='none' sends no client_secret; leave one of them out",),
    ),
    (
        f'{PROD}{JSON}[prod.logout]\nurl = "/l"\nmethod = "a b"',
        ("logout.method is no HTTP method such as 'POST'",),
    ),
    # Rules.
    (
        f"{PROD}{JSON}[prod.when]",
        ("when has no rule. Give json_field and value, bearer_challeng",),
    ),
    (
        f'{WHEN}json_field = "a"',
        ("when.value is missing: it must be a string, a number, true or ",),
    ),
    (f'{WHEN}json_field = "a..b"\nvalue = 1', ("when: 'a..b' is no field name",)),
    (
        f'{WHEN}json_field = "a"\nvalue = 1\nbearer_challenge = true',
        ("when has bearer_challenge and json_field: one rule at a time",),
    ),
    (f"{WHEN}any_of = []\nall_of = []", ("when has all_of and any_of: one rule at a time",)),
    (f"{WHEN}any_of = []", ("when: any_of() needs at least one matcher",)),
    (f"{WHEN}any_of = [{{status = 401}}, {{}}]", ("when.any_of.1 has no rule",)),
    (
        f'{WHEN}any_of = [{{all_of = [{{json_field = "a"}}]}}]',
        ("when.any_of.0.all_of.0.value is missing",),
    ),
    (f"{WHEN}all_of = [{{status = 401}}, {{status = 403}}]", ("when: all_of(", "never match")),
    (
        f'{WHEN}all_of = [{{json_field = "a", value = 1}}, {{status = 403}}]',
        ("when: all_of(", "never match", "status"),
    ),
    (
        f"{PROD}{JSON}rejected = {{ any_of = [{{status = 200}}] }}",
        ("refresh: ok and rejected cannot both have '200'",),
    ),
    (
        f'{PROD}{JSON}send = {{ header = "X-T" }}\nsend_access = {{ header = "x-t" }}',
        ("refresh: ",),
    ),
    (f"{PROD}{JSON}send = false", ("refresh: send=None hands in no token",)),
    (f'{PROD}{JSON}expires_in_unit = "m"', ("refresh.expires_in_unit must be one of 'ms', 's'",)),
    (f'{PROD}{JSON}encode = "xml"', ("refresh.encode must be one of 'form', 'json', 'query'",)),
    (f'{PROD}{JSON}method = "GET"', ("refresh: a GET has no body",)),
    (f"{PROD}{JSON}headers = {{ Host = 'h' }}", ("refresh: headers: the header Host",)),
    (f"{PROD}{JSON}headers = {{ X = 1 }}", ("refresh.headers.X must be a string, not a number",)),
    (f"{PROD}{JSON}headers = 'X'", ("refresh.headers must be a table, not a string",)),
    (
        f"{PROD}{JSON}headers = {{ X-Api-Key = 'k' }}",
        ("refresh.headers.X-Api-Key looks like a secret", "keyring = true"),
    ),
    (
        f'{PROD}{OAUTH2}client_id = "a:b"\nclient_auth = "basic-raw"',
        ("refresh: client_auth='basic-raw' cannot send a client_id with a colon",),
    ),
    (
        f"{WHEN}status = []",
        ("when.status must be a whole number, or a list of them, not an empty list",),
    ),
    # What only OAuth 2.0 has.
    (
        f'{PROD}{OAUTH2}[prod.device]\nurl = "/d"',
        ("refresh.client_id is missing: the device flow",),
    ),
    (f'{PROD}{JSON}[prod.device]\nurl = "/d"', ("device.url is for OAuth 2.0 servers",)),
    (
        f'{PROD}{JSON}[prod.browser]\nauthorization_url = "/a"',
        ("browser.authorization_url is for OAuth 2.0 servers",),
    ),
    (
        f'{PROD}{OAUTH2}[prod.browser]\nauthorization_url = "/a"',
        ("refresh.client_id is missing: a login in a browser needs it",),
    ),
    (
        f'{PROD}{JSON}[prod.logout]\nend_session_url = "/e"',
        ("logout.end_session_url is for OAuth 2.0 servers",),
    ),
    (
        f'{LOGIN}send = "oauth2"',
        ("login.send is for OAuth 2.0 servers: the profile's refresh.kind is a different one",),
    ),
    (
        f'{PROD}{JSON}[prod.logout]\nurl = "/l"\nsend = "oauth2"',
        ("logout.send is for OAuth 2.0 servers",),
    ),
]


@pytest.mark.parametrize(
    ("text", "named"), FAULTS, ids=[f"{named[0][:40]}-{at}" for at, (_, named) in enumerate(FAULTS)]
)
def test_a_fault_is_named(file: Path, text: str, named: tuple[str, ...]) -> None:
    """File, profile and key come first, then what was expected; other profiles still work."""
    file.write_text(text + GOOD)
    error = catch_fault(file).value
    result = str(error)
    assert result.startswith(f"{file}: profile 'prod': {named[0]}")
    for each in named:
        assert each in result
    assert error.__context__ is None, "an exception behind it could hold a secret"
    assert Profiles.read(file).profile("good").base_url == "https://good.example.com/"
    assert JWTRefreshAdapter.from_profile("good", file).base_url == "https://good.example.com/"


@pytest.mark.parametrize(
    ("text", "name", "result"),
    [
        (f"[prod]\n[stage]\n{GOOD}", "prd", "there is no profile 'prd'. Did you mean 'prod'?"),
        ("[prod]\n[stage]", "PROD", "there is no profile 'PROD'. Did you mean 'prod'?"),
        (
            "[PRODUCTION]",
            "production",
            "there is no profile 'production'. Did you mean 'PRODUCTION",
        ),
        (
            "[PRODUCTION]",
            "PRODUCTOIN",
            "there is no profile 'PRODUCTOIN'. Did you mean 'PRODUCTION",
        ),
        (
            '["a\\u001b[31m"]\n["b\\nc"]',
            "zzz",
            r"there is no profile 'zzz'. Use one of these: a\x1b[31m, b\nc",
        ),
        ("[prod]\n[stage]", "zzz", "there is no profile 'zzz'. Use one of these: prod, stage"),
        ("", "zzz", "there is no profile 'zzz'; there are none yet. Make it with: requests-jwt "),
        ("x = 1", "y", "there is no profile 'y'; there are none yet."),
        (f"base_url = 1\n{GOOD}", "base_url", "'base_url' is outside of any profile. Put it"),
        (f'["my prod"]\n{GOOD}', "my prod", "profile 'my prod': a profile's name is made of let"),
        (f'[""]\n{GOOD}', "", "profile '': a profile's name is made of letters, digits, '-', '_'"),
    ],
)
def test_a_profile_that_is_none_is_named(file: Path, text: str, name: str, result: str) -> None:
    """With the nearest spelling, or all there are."""
    file.write_text(text)
    assert str(catch_fault(file, name).value).startswith(f"{file}: {result}")


def test_a_store_that_is_not_installed_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the line that installs it."""
    monkeypatch.setitem(sys.modules, "redis", None)
    file.write_text(f'{STORE}kind = "redis"\nkey = "k"\nurl = "redis://h"\n')
    result = str(catch_fault(file).value)
    assert result.startswith(f"{file}: profile 'prod': store.kind is 'redis', but ")
    assert "pip install" in result


MORE_FAULTS = {
    "refresh misspelt": (f'{PROD}[prod.refersh]\nkind = "json"\nurl = "/r"', "'refersh'"),
    "kind misspelt": (f'{PROD}[prod.refresh]\nknd = "json"\nurl = "/r"', "'knd'"),
    "rule misspelt": (f'{WHEN}json_feild = "a"\nvalue = "b"', "json_feild"),
    "status beside any_of": (f"{WHEN}status = 418\nany_of = [{{status = 401}}]", "when"),
    "wrong type beside any_of": (f'{WHEN}status = "x"\nany_of = [{{status = 401}}]', "when.status"),
    "bearer_challenge = false": (f"{WHEN}bearer_challenge = false", "must be true or a string"),
    "strings for numbers": (f'{PROD}{JSON}ok = ["200"]', "not a list of"),
    "bare for oauth2": (f"{PROD}{CLIENT}bare = true", "refresh.bare"),
    "bare and access": (f'{PROD}{JSON}bare = true\naccess = "x"', "bare"),
    "far too long": (f"{PROD}refresh_timeout = 1e10\n{JSON}", "refresh_timeout"),
    "too long for a float": (f"{PROD}refresh_timeout = 1{'0' * 400}\n{JSON}", "refresh_timeout"),
    "no such user": (f'{STORE}kind = "file"\npath = "~no-such-user/t"', "store.path"),
    "no JSON for login": (f'{LOGIN}url = "/l"\nextra.d = 1979-05-27', "login"),
    "no JSON for logout": (f'{PROD}{JSON}[prod.logout]\nurl = "/l"\nextra.d = nan', "logout"),
    "no url_file": (f'{STORE}kind = "redis"\nkey = "k"\nurl_file = "none"', "store.url_file"),
    "no key file": (
        f'{STORE}kind = "redis"\nkey = "k"\nurl = "redis://h"\nencryption_key_file = "none"',
        "store.encryption_key_file",
    ),
    "password in a query": (
        f'{STORE}kind = "redis"\nkey = "k"\nurl = "redis://h/0?password={SECRET}"',
        "store.url holds a password",
    ),
    "camel case": (f'{PROD}{JSON}extra.clientSecret = "{SECRET}"', "looks like a secret"),
    "camel case password": (f'{LOGIN}url = "/l"\nextra.userPassword = "x"', "looks like a secret"),
    "secret in a table": (f'{PROD}{JSON}extra.password.value = "x"', "looks like a secret"),
    "JWT in a query": (f'{LOGIN}url = "https://h.example/l?key={JWT}"', "looks like a secret"),
}


@pytest.mark.parametrize(
    ("text", "named"),
    MORE_FAULTS.values(),
    ids=[each.replace(" ", "-") for each in MORE_FAULTS],
)
def test_these_faults_are_named_too(file: Path, text: str, named: str) -> None:
    """As a ProfileError with the file, the profile and the key, and before any request is made."""
    file.write_text(text)
    caught = catch_fault(file)
    assert str(caught.value).startswith(f"{file}: profile 'prod': ")
    assert named in str(caught.value)


def test_the_keys_at_the_top_are_those_of_a_profile() -> None:
    """Where one stands in a table, the error says where it belongs."""
    assert {each.name for each in fields(Options)} == OF_PROFILE
