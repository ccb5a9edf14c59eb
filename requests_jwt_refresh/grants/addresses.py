"""Which network a host is in: anybody's, a local one, or this machine alone."""

from __future__ import annotations

import queue
import socket
import threading
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

_NAT64: Final = ip_network("64:ff9b::/96")  # RFC 6052 §2.1
_IPV4_COMPATIBLE: Final = ip_network("::/96")  # RFC 4291 §2.5.5.1
_LOW_32_BITS: Final = 0xFFFFFFFF


class Network(Enum):
    """Who can reach an address, as the text of an error says it."""

    PUBLIC = "the internet"
    PRIVATE = "a private network"
    LINK_LOCAL = "the local link"  # where clouds have their metadata (RFC 3927)
    LOOPBACK = "this machine"


# What a server may lead to that is in one of them itself.
_LEADS_TO: Final = {
    Network.PUBLIC: frozenset({Network.PUBLIC}),
    Network.PRIVATE: frozenset({Network.PUBLIC, Network.PRIVATE}),
    Network.LINK_LOCAL: frozenset({Network.PUBLIC, Network.PRIVATE, Network.LINK_LOCAL}),
    Network.LOOPBACK: frozenset({Network.PUBLIC, Network.PRIVATE, Network.LOOPBACK}),
}


def list_reachable(networks: Collection[Network]) -> frozenset[Network]:
    """Return where a server may lead to whose host is in `networks`; a name may be in several.

    A host that could not be looked up is taken for a public one.

    >>> list_reachable([Network.PUBLIC, Network.LOOPBACK]) == {Network.PUBLIC}
    True
    """
    return frozenset.intersection(*map(_LEADS_TO.__getitem__, networks or (Network.PUBLIC,)))


def find_network(address: str) -> Network:
    """Return the network of an IP address. Raises ValueError for another text.

    >>> find_network("169.254.169.254"), find_network("::ffff:10.0.0.1")
    (<Network.LINK_LOCAL: 'the local link'>, <Network.PRIVATE: 'a private network'>)
    """
    ip = _unwrap(ip_address(address.partition("%")[0]))
    if ip.is_loopback or ip.is_unspecified:  # 0.0.0.0 leads to this machine as well
        return Network.LOOPBACK
    if ip.is_link_local:
        return Network.LINK_LOCAL
    return Network.PUBLIC if ip.is_global and not ip.is_multicast else Network.PRIVATE


def _unwrap(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64 or (ip in _IPV4_COMPATIBLE and int(ip) > 1):
        return IPv4Address(int(ip) & _LOW_32_BITS)
    return ip.ipv4_mapped or ip.sixtofour or ip


def find_networks(host: str, seconds: float, *, may_look_up: bool) -> frozenset[Network]:
    """Return the networks that the addresses of `host` are in; none if they cannot be known.

    Without `may_look_up` names are not: a proxy knows others. Raises TimeoutError if they could
    not be looked up in so many seconds.
    """
    known = _find_without_lookup(host)
    if known is not None:
        return frozenset({known})
    return frozenset(map(find_network, _look_up(host, seconds) if may_look_up else ()))


def _find_without_lookup(host: str) -> Network | None:
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761 §6.3
        return Network.LOOPBACK
    try:
        return find_network(name)
    except ValueError:
        pass
    try:  # "127.1" and "0x7f000001" are addresses, too
        return find_network(socket.inet_ntoa(socket.inet_aton(name)))
    except (OSError, UnicodeError):
        return None


def _look_up(host: str, seconds: float) -> set[str]:
    """Return the addresses of a name, in a thread: nothing else ends a lookup in time."""
    answers: queue.SimpleQueue[set[str]] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            found = []
        answers.put({str(each[4][0]) for each in found})

    try:
        threading.Thread(target=look_up, daemon=True, name="jwt-lookup").start()
    except RuntimeError:  # a sub-interpreter has no daemons, an ending one no threads
        look_up()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        pass
    raise TimeoutError
