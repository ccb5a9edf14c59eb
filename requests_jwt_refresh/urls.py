"""Which origin a URL belongs to, and how a relative URL is put below a base."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import requests
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from requests_jwt_refresh.errors import InsecureURL, InvalidURL
from requests_jwt_refresh.tokens import describe_kind

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+(%[a-z0-9_.%-]+)?")  # a name, or an IPv6 address
_USER_INFO = re.compile("(?<=//)[^/?#\\\\]*@")
_PLAIN_SEGMENT = re.compile(r"[A-Za-z0-9._~-]{0,30}")
_LOOKS_RANDOM = re.compile(r"(?=.*[A-Za-z])(?=(.*[0-9]){4})[^-._]{16,}")  # a key, and no words
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")  # a tenant or a realm
_PORT = re.compile(r"//[^/?#\\]*:([^/?#\\:@\]]*)(?=[/?#\\]|$)")
_DIGITS = re.compile("0*[0-9]{1,5}")
_MAX_PORT = 65535
_SEPARATOR = re.compile(r"[/\\]")
_LEFT_OUT = re.compile(r"[\x00-\x20\x7f]|;.*", re.DOTALL)
_MAX_DECODINGS = 5  # by proxies and servers one after the other; more are not to be expected
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")
# Where APIs are, and what names in a local network end with. Countries have two letters each.
_TOP_LEVEL_DOMAIN = re.compile(
    "com|net|org|edu|gov|mil|int|info|biz|app|dev|cloud|tech|online|site|store|xyz|arpa|onion|"
    "local|localhost|localdomain|internal|intranet|lan|corp|home|private|test|example|invalid|"
    "xn--.+"
)
# Files end with these as well; some are countries, too.
_FILE_ENDINGS = frozenset({"cs", "do", "fs", "go", "js", "pl", "ps", "py", "rb", "rs", "sh", "ts"})
_HAS_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class Origin(NamedTuple):
    """Scheme, host and port, the default port made explicit (RFC 6454 §4).

    >>> str(origin_of("https://API.example.com:443/v1?page=2"))
    'https://api.example.com'
    """

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    def prefixes(self) -> tuple[str, ...]:
        """Return the prefixes under which a Session finds every URL of this origin.

        They end with a slash: without it "https://h" would also catch "https://h.evil.com".
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        explicit = f"{self.scheme}://{host}:{self.port}/"
        return tuple(dict.fromkeys((f"{self}/", explicit)))

    def is_safe(self) -> bool:
        """Whether what is sent there stays encrypted or on this machine."""
        return self.scheme == "https" or _is_loopback(self.host)


def origin_of(url: str | None) -> Origin | None:
    """Return the origin of an absolute http(s) URL, or None if it is not certain."""
    # All up to the third slash holds the whole authority, so URLs of one site share one entry.
    return _origin_of("/".join(url.split("/", 3)[:3])) if isinstance(url, str) else None


@lru_cache(maxsize=1024)
def _origin_of(url: str) -> Origin | None:
    try:
        parts, second_opinion = urlsplit(url), parse_url(url)
        scheme, host = parts.scheme, parts.hostname
        if scheme not in _DEFAULT_PORTS or not host or not _HOST.fullmatch(host):
            return None
        port = _DEFAULT_PORTS[scheme] if parts.port is None else parts.port
    except (ValueError, LocationParseError):
        return None
    # requests connects to where urlsplit points. A text out of which urllib3 reads another host
    # ("https://h\@evil.com") is made to deceive.
    other_host = (second_opinion.host or "").strip("[]").lower()
    if (other_host, second_opinion.port or _DEFAULT_PORTS[scheme]) != (host, port):
        return None  # port 0 as well, for which urllib3 takes the usual one
    return Origin(scheme, host, port)


def validate(url: str, *, what: str, allow_http: bool = False) -> str:
    """Return an absolute URL as requests would send it.

    `what` names it in the text of an error. Raises InvalidURL, or InsecureURL if it is neither
    https nor loopback and `allow_http` is false.
    """
    if not isinstance(url, str):
        raise InvalidURL(
            f"{what} is {describe_kind(url)}, not a string",
            "write it like 'https://api.example.com'",
        )
    _check_characters(url, what)
    if not has_scheme(url):
        raise InvalidURL(f"{what} {redact(url)} has no scheme", _suggest_scheme(url))
    _check_port(url, what)
    try:
        prepared = requests.Request("GET", url).prepare().url
    except requests.RequestException:
        prepared = None
    origin = origin_of(prepared)
    if prepared is None or origin is None:
        raise InvalidURL(
            f"{what} {redact(url)} is not an http(s) URL with a host",
            "write it like https://api.example.com/v1",
        )
    if "@" in urlsplit(prepared).netloc:
        raise InvalidURL(
            f"{what} holds a user name or password",
            "write it without them; the token says who calls",
        )
    if not (origin.is_safe() or allow_http):
        raise InsecureURL(
            f"{what} {redact(url)} would send tokens unencrypted",
            "use https, or give allow_http=True if you trust the network",
        )
    return prepared


def _check_characters(url: str, what: str) -> None:
    if url != url.strip():
        raise InvalidURL(
            f"{what} {redact(url.strip())} has a space or a line break at one end",
            "write it without that",
        )
    if "\\" in re.split("[?#]", url, maxsplit=1)[0]:
        raise InvalidURL(f"{what} {redact(url)} has a backslash", "write it with slashes alone")


def _check_port(url: str, what: str) -> None:
    """Raise InvalidURL for a port that is none; requests leaves a 0 out, and sends elsewhere."""
    found = _PORT.search(url)
    port = found[1] if found else ""
    if port and not (_DIGITS.fullmatch(port) and 0 < int(port) <= _MAX_PORT):
        raise InvalidURL(
            f"{what} {redact(url)} has a port that is no number from 1 to 65535",
            "correct it, or leave it out",
        )


def validate_base(url: str, *, allow_http: bool = False) -> str:
    """Return a base URL as requests would send it. Raises as `validate` does."""
    base = validate(url, what="the base URL", allow_http=allow_http)
    if "?" in base or "#" in base:
        raise InvalidURL(
            f"the base URL {redact(url)} has a query or a fragment",
            "write it without them; a request may bring its own",
        )
    return base


def validate_origin(url: str, *, allow_http: bool = False) -> Origin | None:
    """Return the origin that `url` names and nothing more. Raises as `validate` does."""
    found = validate(url, what="the trusted origin", allow_http=allow_http)
    if urlsplit(found)._replace(scheme="", netloc="").geturl() not in ("", "/"):
        raise InvalidURL(
            f"the trusted origin {redact(url)} has a path or a query, but an origin is trusted as "
            "a whole or not at all",
            "write scheme, host and port alone, like https://cdn.example.com",
        )
    return origin_of(found)


def join_endpoint(base: str, url: str, *, what: str, allow_http: bool = False) -> str:
    """Return the URL of an endpoint, absolute or below `base`, as requests would send it.

    `what` names it in the text of an error. Raises as `join` and `validate` do, and InvalidURL for
    a host without a scheme, which would be taken for a path.
    """
    if has_scheme(url):
        return validate(url, what=what, allow_http=allow_http)
    if url.startswith("//") or starts_with_host(url):
        raise InvalidURL(
            f"{what} {redact(url)} names a host, but no scheme",
            f"{_suggest_scheme(url)}; a path below the base URL begins with one slash",
        )
    _check_characters(url, what)
    return validate(join(base, url), what=what, allow_http=allow_http)


def find_repetition(base: str, url: str) -> tuple[str, str] | None:
    """Return a path that stands twice in `url`, at the end of the base and behind it; None: none.

    With the base URL for which it stands there once.

    >>> find_repetition("http://h/api/v1", "http://h/api/v1/v1/token")
    ('/v1', 'http://h/api')
    """
    base = base.rstrip("/")
    path = urlsplit(base).path
    if not path or not url.startswith(f"{base}/"):
        return None
    ours = path[1:].split("/")
    theirs = urlsplit(url[len(base) :]).path[1:].split("/")
    for count in range(min(len(ours), len(theirs)), 0, -1):
        if ours[-count:] == theirs[:count]:
            repeated = "/" + "/".join(theirs[:count])
            return repeated, base.removesuffix(repeated)
    return None


def starts_with_host(url: str) -> bool:
    """Whether a URL without a scheme begins as a host does, and not as a path.

    A path that begins with a slash is one. Before that, what has a port, is an IP address or
    "localhost" is a host; so is a name of several parts, if the last one is a usual top-level
    domain. "token.php", "oauth2.0/token" and "auth.v1.Tokens/Refresh" are paths.

    >>> starts_with_host("auth.example.com/refresh"), starts_with_host("auth/refresh")
    (True, False)
    """
    authority, *rest = re.split(r"[/?#\\]", url.strip(), maxsplit=1)
    host, _, port = authority.rpartition("@")[2].partition(":")
    if authority.startswith("[") or (host and port.isdecimal()):
        return True
    return not port and (_is_address(host) or _is_domain(host.lower(), followed=bool(rest)))


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return host.lower() == "localhost"


def _is_domain(host: str, *, followed: bool) -> bool:
    """Whether `host` looks like a domain; `followed`: by a path, as a file's name seldom is."""
    labels = host.removesuffix(".").split(".")
    top, is_long = labels[-1], len(labels) > 2  # noqa: PLR2004 - two could be a file's name
    if len(labels) == 1 or not all(map(_LABEL.fullmatch, labels)):
        return False
    if _TOP_LEVEL_DOMAIN.fullmatch(top):
        return followed or is_long or top in ("com", "net", "org")
    is_country = len(top) == 2 and top.isalpha()  # noqa: PLR2004 - ISO 3166-1 alpha-2
    return is_country and (is_long or (followed and top not in _FILE_ENDINGS))


def _suggest_scheme(url: str) -> str:
    """Return a remedy for a URL without a scheme, with the URL that was meant if that is clear."""
    bare = re.split("[?#]", url.strip().removeprefix("//"), maxsplit=1)[0]
    origin = origin_of(f"https://{bare}")
    if "@" in url or origin is None or bare.startswith("/"):
        return "write the whole URL, with https:// before it"
    scheme = "http" if _is_loopback(origin.host) else "https"
    return f"write the whole URL, with its scheme: {scheme}://{bare}"


def has_scheme(url: str) -> bool:
    """Whether `url` names its scheme, so that it is not relative.

    Only ``scheme://`` counts (RFC 3986 §3): "users:active" and "/a?next=http://x" are relative.
    What starts like http but has no slashes is left for requests to refuse.

    >>> has_scheme("https://api.example.com"), has_scheme("users:active")
    (True, False)
    """
    return bool(_HAS_SCHEME.match(url)) or url.lower().startswith(("http:", "https:"))


def join(base: str, url: str) -> str:
    """Return the relative `url` as a URL below `base`; the base's own path is kept.

    Unlike RFC 3986 §5.2, a leading slash means the base, not the root of the host: what a caller
    passes can never leave the base URL. Raises InvalidURL for a URL that would leave it.

    >>> join("https://api.example.com/v1", "/users")
    'https://api.example.com/v1/users'
    """
    if url.startswith("//"):
        raise InvalidURL(
            f"the relative URL {redact(url)} starts with two slashes, which would name another "
            "host (RFC 3986 §4.2)",
            "write one slash, or the whole URL with its scheme",
        )
    path = re.split(r"[?#]", url, maxsplit=1)[0]
    if _climbs(path):
        raise InvalidURL(
            f"the relative URL {redact(url)} climbs out of the base URL with '..'",
            "write a path below the base URL, or the whole URL with its scheme",
        )
    if not path:
        return base + url
    return f"{base.rstrip('/')}/{url.removeprefix('/')}"


def _climbs(path: str) -> bool:
    """Whether `path` goes above where it starts, in one of the ways in which a server may read it.

    Some servers take "%2F" and a backslash for a slash and others do not, and which one reads the
    path is not known here. So at each of them what leads lower counts. A "%2e" counts as the dot
    that it is, and what may be left out of a segment (";" and what follows it, spaces, control
    characters) as left out.
    """
    if ".." not in path and "%" not in path and not _LEFT_OUT.search(path):
        return False
    lowest = 0
    for segment in path.split("/"):
        merged = None  # the lowest depth after the next part if it is one segment with others
        for part in _SEPARATOR.split(_decode(segment)):
            alone = lowest + _step(part)
            begun = alone if ";" in part else lowest + 1  # what follows ";" goes with it
            lowest = alone if merged is None else min(alone, merged)
            merged = begun if merged is None else min(begun, merged)
            if lowest < 0:
                return True
    return False


def describe_url(url: str | bytes | None) -> str:
    """Return `url` for an error text: origin and path, without what may be secret in them.

    >>> describe_url("https://me:pw@api.example.com/auth/refresh?key=secret")
    'https://api.example.com/auth/refresh'
    """
    text = url.decode("utf-8", "replace") if isinstance(url, bytes) else url or ""
    text = _USER_INFO.sub("", text)
    origin = origin_of(text)
    if origin is None:
        return "a URL that has no clear host"
    return str(origin) + "/".join(
        _describe_segment(each) for each in urlsplit(text).path.split("/")
    )


def _describe_segment(segment: str) -> str:
    is_plain = _PLAIN_SEGMENT.fullmatch(segment) and not _LOOKS_RANDOM.match(segment)
    return segment if is_plain or _UUID.fullmatch(segment) else "..."


def _step(segment: str) -> int:
    """Return how a segment of a path changes its depth."""
    name = _LEFT_OUT.sub("", segment)
    return -1 if name == ".." else int(name not in ("", "."))


def _decode(text: str) -> str:
    """Return `text` with every %-escape resolved, those of escapes too."""
    for _ in range(_MAX_DECODINGS):
        decoded = unquote(text)
        if decoded == text:
            break
        text = decoded
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def without_query(url: str) -> str:
    """Return `url` without user name, query and fragment, which may hold secrets.

    >>> without_query("https://me:pw@api.example.com/v1/x?token=abc#top")
    'https://api.example.com/v1/x'
    """
    bare = re.split(r"[?#]", url, maxsplit=1)[0]
    return re.sub(r"^([a-z][a-z0-9+.-]*://)[^/]*@", r"\1", bare, flags=re.IGNORECASE)


def redact(url: object) -> str:
    """Return `url` for an error text, without what may be secret in it.

    >>> redact("https://api.example.com/users?key=secret")
    "'https://api.example.com/users'"
    """
    if not isinstance(url, str):
        return f"(a {type(url).__name__})"
    if "@" in url:
        return "(not shown: it has an '@', and may hold a password)"
    return repr(re.split(r"[?#]", url, maxsplit=1)[0])
