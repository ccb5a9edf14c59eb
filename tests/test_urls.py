"""Origins, base URLs and joining; what servers see of them is in test_origins.py."""

from __future__ import annotations

import itertools
import pickle

import pytest
import requests

from requests_jwt_refresh.errors import InsecureURL, InvalidURL, JWTRefreshError
from requests_jwt_refresh.urls import (
    Origin,
    find_repetition,
    has_scheme,
    join,
    origin_of,
    validate,
    validate_base,
)

API = Origin("https", "api.example.com", 443)

SAME_ORIGIN = [
    "https://api.example.com",
    "https://api.example.com/",
    "https://api.example.com/v1/users?q=1#top",
    "https://api.example.com:443/x",
    "https://api.example.com:/x",
    "https://API.Example.COM/x",
    "HTTPS://api.example.com/x",
    "https://api.example.com?q=1",
    "https://api.example.com#top",
    "https://alice@api.example.com/x",
    "https://alice:pw@api.example.com:443/x",
    "https://evil.com@api.example.com/x",
    "https://api.example.com?x=/@evil.com",
    "https://api.example.com#@evil.com/",
    "https://api.example.com//evil.com/",
    "https://api.example.com/https://evil.com/",
]
OTHER_ORIGIN = [
    "http://api.example.com/",
    "http://api.example.com:443/",
    "https://api.example.com:80/",
    "https://api.example.com:8443/",
    "https://api.example.com:4430/",
    "https://api.example.com./",
    "https://example.com/",
    "https://www.api.example.com/",
    "https://api.example.community/",
    "https://api.example.com.evil.com/",
    "https://api.example.com@evil.com/",
    "https://api.example.com:443@evil.com/",
    "https://api.example.com:pw@evil.com/",
    "https://api.example.com;@evil.com/",
    "https://api.example.com%2f@evil.com/",
    "https://127.0.0.1/",
    "https://[::1]/",
]
NO_ORIGIN = [
    None,
    b"https://api.example.com/",
    443,
    "",
    "/x",
    "//api.example.com/x",
    "api.example.com/x",
    "api.example.com:443/x",
    "https:/api.example.com/x",
    "https:api.example.com",
    "https://",
    "https:///api.example.com/",
    "https://:443/",
    "https://@/",
    "ftp://api.example.com/",
    "https+jwt://api.example.com/",
    "javascript://api.example.com/",
    "https://api.example.com:x/",
    "https://api.example.com:99999/",
    "https://api.example.com:0/",
    "https://api.example.com:-443/",
    "https://api.example.com:443:443/",
    "https://api.example.com:٤٤٣/",
    "https://[::1/",
    "https://::1]/",
    "https://[api.example.com]/",
    # Where two parsers see two hosts, or one sees what is not there, there is none to be sure of.
    "https://api.example.com\\@evil.com/",
    "https://evil.com\\@api.example.com/",
    "https://api.example.com\\.evil.com/",
    "https://api.example.com%00.evil.com/",
    "https://api.example.com\t.evil.com/",
    "https://api.exam\nple.com/",
    "https://api.example\r.com/",
    " https://api.example.com/",
    "\x01https://api.example.com/",
    "https:\\\\api.example.com\\",
    "https://api。example。com/",
    "https://ⓐpi.example.com/",
]


class TestOriginOf:
    @pytest.mark.parametrize("url", SAME_ORIGIN)
    def test_one_origin_has_many_spellings(self, url: str) -> None:
        """Case, an explicit default port, userinfo, path, query and fragment make no difference."""
        assert origin_of(url) == API

    @pytest.mark.parametrize("url", OTHER_ORIGIN)
    def test_every_other_scheme_host_or_port_is_another_origin(self, url: str) -> None:
        """An origin is scheme, host and port, the three compared as a whole (RFC 6454 §5)."""
        origin = origin_of(url)
        assert origin is not None
        assert origin != API

    @pytest.mark.parametrize("url", NO_ORIGIN)
    def test_what_cannot_be_read_with_certainty_has_none(self, url: object) -> None:
        """No host, no http(s), no clear text: no origin, so that no token goes there."""
        assert origin_of(url) is None  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("scheme", "host", "port"),
        [
            *itertools.product(
                ("http", "https"),
                ("h", "api.example.com", "api.example.com.", "127.0.0.1", "::1"),
                (1, 80, 443, 8000, 65535),
            )
        ],
    )
    def test_an_origin_survives_being_written_out(self, scheme: str, host: str, port: int) -> None:
        """Its text, with or without a path, reads back as the same origin."""
        origin = Origin(scheme, host, port)
        assert origin_of(str(origin)) == origin
        assert origin_of(f"{origin}/v1?x=//y") == origin

    @pytest.mark.parametrize(
        ("one", "other"), [*itertools.combinations(["http://h", "https://h", "http://h:1"], 2)]
    )
    def test_different_origins_are_written_differently(self, one: str, other: str) -> None:
        """The default keyring entry is named after the origin: no two share one."""
        assert str(origin_of(one)) != str(origin_of(other))

    @pytest.mark.parametrize("tail", ["", "/", "/x", "?q=1", "#f", "/a//b", "/@x", "/\\x"])
    @pytest.mark.parametrize("head", ["https://h", "http://h:8000", "https://u@h", "https://[::1]"])
    def test_what_follows_the_authority_makes_no_difference(self, head: str, tail: str) -> None:
        """The origin is in what stands before the path."""
        assert origin_of(head + tail) == origin_of(head) is not None

    @pytest.mark.parametrize("url", [url for url in SAME_ORIGIN if "@" not in url])
    def test_the_prefixes_of_an_origin_find_its_urls(self, url: str) -> None:
        """A Session with these prefixes mounted finds every URL of the origin, once prepared."""
        prepared = requests.Request("GET", url).prepare().url
        assert prepared is not None
        assert prepared.lower().startswith(API.prefixes())

    @pytest.mark.parametrize("url", OTHER_ORIGIN)
    def test_the_prefixes_of_an_origin_find_no_others(self, url: str) -> None:
        """They end with a slash, so that no longer host name matches."""
        assert not url.startswith(API.prefixes())

    def test_an_origin_off_the_default_port_has_one_prefix(self) -> None:
        """There is only one way to write it."""
        assert Origin("http", "::1", 8000).prefixes() == ("http://[::1]:8000/",)


class TestValidate:
    @pytest.mark.parametrize(
        ("url", "prepared"),
        [
            ("https://api.example.com", "https://api.example.com/"),
            ("https://API.example.com/V1", "https://api.example.com/V1"),
            ("HTTPS://api.example.com/v1/", "https://api.example.com/v1/"),
            ("https://api.example.com:443/v1", "https://api.example.com:443/v1"),
            ("https://api.example.com/a/../v1", "https://api.example.com/v1"),
            ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
            ("https://[::1]:8000/v1", "https://[::1]:8000/v1"),
        ],
    )
    def test_a_base_url_is_kept_as_requests_would_send_it(self, url: str, prepared: str) -> None:
        """Whatever is joined to it later has been through requests' own preparation once."""
        assert validate_base(url) == prepared

    @pytest.mark.parametrize(
        "host",
        ["127.0.0.1", "127.0.0.1:8000", "127.1.2.3", "localhost", "LocalHost:5000", "[::1]:80"],
    )
    def test_loopback_needs_no_encryption(self, host: str) -> None:
        """A request that stays on the machine may go over http."""
        assert validate_base(f"http://{host}/v1").endswith("/v1")

    @pytest.mark.parametrize(
        "host",
        [
            "api.example.com",
            "api.example.com:443",
            "10.0.0.1",
            "192.168.1.1",
            "0.0.0.0",
            "128.0.0.1",
            "localhost.",
            "localhost.example.com",
            "notlocalhost",
            "127.0.0.1.evil.com",
            "127.0.0.1.",
            "[fd00::1]",
            "[::]",
        ],
    )
    def test_http_to_another_machine_is_refused(self, host: str) -> None:
        """Tokens would travel in the clear, unless the user says that they may."""
        with pytest.raises(InsecureURL, match="allow_http=True"):
            validate_base(f"http://{host}/v1")
        assert validate_base(f"http://{host}/v1", allow_http=True).startswith("http://")

    @pytest.mark.parametrize(
        ("url", "advice"),
        [
            ("", "with https:// before it"),
            ("/v1", "with https:// before it"),
            ("//h/v1", "with its scheme: https://h/v1"),
            ("api.example.com", "with its scheme: https://api.example.com"),
            ("api.example.com/v1?key=hunter2", "with its scheme: https://api.example.com/v1"),
            ("localhost:8000/v1", "with its scheme: http://localhost:8000/v1"),
            ("127.0.0.1:5000", "with its scheme: http://127.0.0.1:5000"),
            ("alice:hunter2@api.example.com", "with https:// before it"),
        ],
    )
    def test_a_url_without_a_scheme_is_refused_with_advice(self, url: str, advice: str) -> None:
        """The commonest mistake: the error shows what to write, without what may be secret."""
        with pytest.raises(InvalidURL, match=r"the base URL .* has no scheme") as caught:
            validate_base(url)
        assert caught.value.remedy == f"write the whole URL, {advice}"

    @pytest.mark.parametrize(
        ("url", "kind"), [(None, "None"), (3, "an int"), (b"https://api.example.com", "a bytes")]
    )
    def test_what_is_no_string_is_refused(self, url: object, kind: str) -> None:
        """A base URL is text; what was given instead is named by its type."""
        with pytest.raises(InvalidURL, match=f"^the base URL is {kind}, not a string"):
            validate_base(url)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "url", [" https://h", "https://h\n", "\thttps://h/v1", "https://h/v1 "]
    )
    def test_a_space_at_one_end_is_named(self, url: str) -> None:
        """As in what was pasted; the remedy is no URL with two schemes."""
        with pytest.raises(InvalidURL, match="has a space or a line break at one end") as caught:
            validate_base(url)
        assert "https://https" not in str(caught.value)

    @pytest.mark.parametrize(
        "url", ["https://h\\v1", "https://h/v1\\x", "https:\\\\h", "https://h\\"]
    )
    def test_a_backslash_is_refused(self, url: str) -> None:
        """Some programs read it as a slash, others as a part of a name."""
        with pytest.raises(InvalidURL, match="has a backslash"):
            validate_base(url)

    @pytest.mark.parametrize(
        "url",
        [
            "https://",
            "https:///v1",
            "https:/api.example.com",
            "https://:443/",
            "https://exa mple.com/",
            "https://[::1/",
            "ftp://api.example.com/",
            "https+jwt://api.example.com/",
            "file:///etc/passwd",
        ],
    )
    @pytest.mark.parametrize("allow_http", [False, True])
    def test_what_is_no_http_url_is_refused(self, url: str, allow_http: bool) -> None:
        """allow_http allows http, and nothing else."""
        with pytest.raises(InvalidURL, match=r"the refresh URL .* is not an http"):
            validate(url, what="the refresh URL", allow_http=allow_http)

    @pytest.mark.parametrize("host", ["h", "127.0.0.1", "[::1]"])
    @pytest.mark.parametrize(
        "port", ["0", "00", "65536", "99999999999", "-1", "+1", "x", "4_43", "\u0664", "443:0"]
    )
    def test_a_port_is_a_number_from_1_to_65535(self, host: str, port: str) -> None:
        """requests itself leaves a 0 out, and sends to the usual port."""
        url = f"https://{host}:{port}/v1?x=:0"
        assert origin_of(url) is None
        with pytest.raises(InvalidURL, match="has a port that is no number from 1 to 65535"):
            validate_base(url)

    @pytest.mark.parametrize("url", ["https://h:/v1", "https://h:0443/v1", "https://h/v1/a:0"])
    def test_a_port_may_be_empty_or_begin_with_zeros(self, url: str) -> None:
        """RFC 3986 §3.2.3; a colon in the path is none of a port."""
        assert origin_of(validate_base(url)) == Origin("https", "h", 443)

    @pytest.mark.parametrize("url", ["https://h/v1?key=1", "https://h/v1#top", "https://h?"])
    def test_a_base_url_has_no_query_or_fragment(self, url: str) -> None:
        """There would be no place to append a path to. (requests drops an empty query itself.)"""
        if url.endswith("?"):
            assert validate_base(url) == "https://h/"
            return
        with pytest.raises(InvalidURL, match="query or a fragment"):
            validate_base(url)

    @pytest.mark.parametrize("url", ["https://alice:pw@h/v1", "https://alice@h/"])
    def test_a_user_name_is_refused(self, url: str) -> None:
        """requests would make a Basic header of it, which takes the token's place."""
        with pytest.raises(InvalidURL, match="user name"):
            validate_base(url)

    def test_the_errors_belong_to_both_trees(self) -> None:
        """They are ours, requests' own, and a ValueError, as requests' are."""
        for kind in (JWTRefreshError, requests.exceptions.InvalidURL, ValueError, InvalidURL):
            with pytest.raises(kind):
                validate_base("http://api.example.com")

    def test_the_errors_can_be_pickled(self) -> None:
        """A child process can hand one to its parent."""
        with pytest.raises(InsecureURL) as caught:
            validate_base("http://api.example.com")
        again = pickle.loads(pickle.dumps(caught.value))
        assert type(again) is InsecureURL
        assert str(again) == str(caught.value)


class TestNoSecretInAnError:
    @pytest.mark.parametrize(
        "url",
        [
            "https://alice:hunter2@api.example.com/",
            "http://alice:hunter2@api.example.com/",
            "ftp://alice:hunter2@api.example.com/",
            "//alice:hunter2@api.example.com/",
            "https://alice:hunter2@",
            "https://alice@corp:hunter2@api.example.com/",
            "https://api.example.com:hunter2@/",
            "http://api.example.com/?key=hunter2",
            "https://api.example.com/?key=hunter2",
            "https://?key=hunter2",
            "api.example.com?key=hunter2",
        ],
    )
    def test_of_a_whole_url(self, url: str) -> None:
        """No password and no query is repeated in an error's text."""
        with pytest.raises(InvalidURL) as caught:
            validate_base(url)
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is caught.value.__context__ is None

    @pytest.mark.parametrize(
        "url",
        [
            "alice:hunter2@api.example.com/v1",
            "https:\\\\alice:hunter2@api.example.com\\",
            "https://alice:hunter2/2@api.example.com/",
            "https://alice:2#hunter2@api.example.com/",
            "https://api.example.com/#access_token=hunter2",
        ],
    )
    def test_of_a_url_that_is_not_well_formed(self, url: str) -> None:
        """A password is as secret where the scheme was forgotten or "/" was not escaped."""
        with pytest.raises(InvalidURL) as caught:
            validate_base(url)
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize(
        "url", ["//alice:hunter2@evil.com/x", "//evil.com/?key=hunter2", "../x?key=hunter2"]
    )
    def test_of_a_relative_url(self, url: str) -> None:
        """Nor is one in what is said of a relative URL."""
        with pytest.raises(InvalidURL) as caught:
            join("https://api.example.com/v1", url)
        assert "hunter2" not in str(caught.value)


class TestHasScheme:
    @pytest.mark.parametrize(
        "url",
        ["https://h/", "http://h", "HTTP://h", "mock://h", "https+jwt://h", "a://", "http:/x"],
    )
    def test_a_scheme_is_what_stands_before_two_slashes(self, url: str) -> None:
        """And so does http without its slashes, which is a mistake and no path."""
        assert has_scheme(url)

    @pytest.mark.parametrize(
        "url",
        [*("", "/", "users", "users:active", "/a?next=http://x", "?u=http://x", "#http://x"),
        *("//h/x", "://h", "1a://h", "a b://h", "httpbin/x", "urn:isbn:1", "./http://x")],
    )  # fmt: skip
    def test_a_colon_alone_is_none(self, url: str) -> None:
        """What has "://" only further on, or a ":" alone, is relative."""
        assert not has_scheme(url)


BASES = ["https://h/", "https://h/v1", "https://h/v1/", "https://h/a/b"]


class TestJoin:
    @pytest.mark.parametrize(
        ("base", "url", "joined"),
        [
            ("https://h/v1", "users", "https://h/v1/users"),
            ("https://h/v1", "/users", "https://h/v1/users"),
            ("https://h/v1/", "users", "https://h/v1/users"),
            ("https://h/v1/", "/users", "https://h/v1/users"),
            ("https://h/", "/users", "https://h/users"),
            ("https://h/v1", "/users/", "https://h/v1/users/"),
            ("https://h/v1", "", "https://h/v1"),
            ("https://h/v1/", "", "https://h/v1/"),
            ("https://h/", "", "https://h/"),
            ("https://h/v1", "?q=1", "https://h/v1?q=1"),
            ("https://h/v1/", "?q=1", "https://h/v1/?q=1"),
            ("https://h/v1", "#top", "https://h/v1#top"),
            ("https://h/v1", "/", "https://h/v1/"),
            ("https://h/v1/", "/", "https://h/v1/"),
            ("https://h/v1", "users:active", "https://h/v1/users:active"),
            ("https://h/v1", "/a?next=http://x", "https://h/v1/a?next=http://x"),
            ("https://h/v1", "a//b", "https://h/v1/a//b"),
            ("https://h/v1", "?x=../..", "https://h/v1?x=../.."),
            ("https://h/v1", "a#/../..", "https://h/v1/a#/../.."),
            ("https://h/v1", "..a/.b/c..", "https://h/v1/..a/.b/c.."),
        ],
    )
    def test_a_relative_url_is_appended(self, base: str, url: str, joined: str) -> None:
        """The base's path is kept, and one slash stands between."""
        assert join(base, url) == joined

    @pytest.mark.parametrize("base", BASES)
    @pytest.mark.parametrize("url", ["//evil.com/x", "//evil.com", "///x", "//", "//u:p@evil.com"])
    def test_two_slashes_are_refused(self, base: str, url: str) -> None:
        """They would name another host (RFC 3986 §4.2)."""
        with pytest.raises(InvalidURL, match="two slashes"):
            join(base, url)

    @pytest.mark.parametrize("base", BASES)
    @pytest.mark.parametrize(
        "url",
        [*("..", "../x", "/..", "/../x", "a/../../x", "./../x", "a/b/../../../x", "..?q", "..#f"),
        *("%2e%2e/x", "%2E./x", ".%2e/x", "a/..%2f..%2fx", "..%5cx", "..\\x", "/..\\..\\x"),
        *("/a%5Cb/../../x", "/a%2Fb/../../x", "/a%5cb/%2e%2e/%2E%2E/x", "a\\b/../../x"),
        *("..%2f..%2fx", "%252e%252e/x", "a/..%252F..%252Fx", "a%2F..%2F..%2Fx", "a%255Cb/../../x"),
        *("%25252e%25252e%25252fx", "a%2Fb%255C../../x", "%2%65%2%65/x", "..%2%46x"),
        *("a%25%32%46b/../../x", "..;/x", "..;a=b/x", "%2e%2e%3b/x", ";/../x", "a/..%3B/..%3B/x"),
        *("a/..;%2fb/../x", "a//../../x", "a/.;/../../x", ".\t./x", "..\t/x", "\n../x", ". ./x"),
        *("a/.\r.\n/../x", "..%09/x", "..%00/x", "..%20/x", "%C3%A4%5Cb/../../x")],
    )  # fmt: skip
    def test_climbing_out_is_refused(self, base: str, url: str) -> None:
        """No spelling of ".." leaves the base."""
        with pytest.raises(InvalidURL, match="climbs out"):
            join(base, url)

    @pytest.mark.parametrize(
        ("url", "path"),
        [
            ("/projects/group%2Fname", "/v1/projects/group%2Fname"),
            ("projects/group%2Fname/../other", "/v1/projects/other"),
            ("files/a%5Cb", "/v1/files/a%5Cb"),
            ("files/..%2e.", "/v1/files/...."),
            ("files/..a/b%2F..c", "/v1/files/..a/b%2F..c"),
            ("files/100%25", "/v1/files/100%25"),
            ("a;v=1/b", "/v1/a;v=1/b"),
            ("a/b%2Fc/..", "/v1/a/"),
            ("?next=%2F..%2F..", "/v1?next=%2F..%2F.."),
        ],
    )
    def test_an_encoded_slash_is_sent_as_it_is(self, url: str, path: str) -> None:
        """Within a segment it is a part of a name."""
        prepared = requests.Request("GET", join("https://h/v1", url)).prepare()
        assert prepared.url == f"https://h{path}"

    @pytest.mark.parametrize("base", BASES)
    @pytest.mark.parametrize(
        "url",
        [*("users", "/users", "", "?q=1", "a/../b", "a/..", ".", "./x", "/a/b/../../c"),
        *("/\\evil.com", "\\\\evil.com", "@evil.com", ":80", ":80@evil.com", ".evil.com"),
        *("%2f%2fevil.com", "/%2fevil.com", "/\t/evil.com", "a\t/../x", "%252e/x", "a%2F../x"),
        *("users:active", "/a?next=http://x", "http//evil.com", "javascript:x")],
    )  # fmt: skip
    def test_whatever_is_joined_stays_below_the_base(self, base: str, url: str) -> None:
        """As requests would send it: the same origin, and a path that begins with the base's."""
        prepared = requests.Request("GET", join(base, url)).prepare().url
        assert prepared is not None
        assert origin_of(prepared) == origin_of(base)
        assert f"{prepared}/".startswith(base) or prepared.startswith(f"{base}?")


@pytest.mark.parametrize(
    ("base", "url", "found"),
    [
        ("http://h/api", "http://h/api/api/token/", ("/api", "http://h")),
        ("http://h/api/", "http://h/api/api/token/", ("/api", "http://h")),
        ("http://h/api/v1", "http://h/api/v1/api/v1/x", ("/api/v1", "http://h")),
        ("http://h/x/v1", "http://h/x/v1/v1?a=/", ("/v1", "http://h/x")),
        ("http://h/api", "http://h/api/token/", None),
        ("http://h/api", "http://h/api/apis/token/", None),
        ("http://h/api", "http://h/auth/api/token/", None),
        ("http://h/api", "http://other/api/api/token/", None),
        ("http://h/", "http://h/api/api/token/", None),
        ("http://h", "http://h//token/", None),
    ],
)
def test_a_path_that_stands_twice(base: str, url: str, found: tuple[str, str] | None) -> None:
    """At the end of the base and at the beginning of what is below it, and nowhere else."""
    assert find_repetition(base, url) == found
