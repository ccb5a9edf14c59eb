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

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+(%[a-z0-9_.%-]+)?")  # a name, or an IPv6 address
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
        port = parts.port or _DEFAULT_PORTS[scheme]
    except (ValueError, LocationParseError):
        return None
    # requests connects to where urlsplit points. A text out of which urllib3 reads another host
    # ("https://h\@evil.com") is made to deceive.
    other_host = (second_opinion.host or "").strip("[]").lower()
    if (other_host, second_opinion.port or _DEFAULT_PORTS[scheme]) != (host, port):
        return None
    return Origin(scheme, host, port)


def validate(url: str, *, what: str, allow_http: bool = False) -> str:
    """Return an absolute URL as requests would send it.

    `what` names it in the text of an error. Raises InvalidURL, or InsecureURL if it is neither
    https nor loopback and `allow_http` is false.
    """
    if not isinstance(url, str) or not has_scheme(url):
        raise InvalidURL(
            f"{what} {redact(url)} has no scheme", "write the whole URL, with https:// before it"
        )
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
    """Whether `path`, decoded, goes above where it starts."""
    depth = 0
    for segment in unquote(path).replace("\\", "/").split("/"):
        depth += -1 if segment == ".." else segment not in ("", ".")
        if depth < 0:
            return True
    return False


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
