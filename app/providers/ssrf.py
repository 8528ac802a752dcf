"""SSRF protection: connections to public addresses only.

The host is resolved on connecting, all its addresses are checked, and the connection uses one of them, so
that DNS rebinding has no effect. Without a proxy, which would resolve names itself.
"""

from __future__ import annotations

import ipaddress

from urllib3.exceptions import HTTPError

from app.providers.deadlines import resolve

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "192.0.0.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks; also the fake-ip addresses of some local proxies
        "64:ff9b:1::/48",  # NAT64 inside a network
        "100::/64",
        "2001::/23",  # Teredo and similar
        "2001:db8::/32",
    )
)


class AddressRefused(HTTPError):
    """``host`` resolves to ``address``, which is not public."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(f"{host} -> {address}")
        self.host = host
        self.address = address


def is_public(address: str) -> bool:
    """Return whether an IP address is public; an embedded IPv4 address is checked instead."""
    try:
        ip = _ip_of(address)
    except ValueError:
        return False
    closed = ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback or ip.is_link_local
    site_local = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
    return ip.is_global and not closed and not site_local and not any(ip in network for network in _NEVER)


def is_link_local(address: str) -> bool:
    """Return whether an IP address is of the network cable only, as those of a cloud's own services are."""
    return _ip_of(address).is_link_local


def resolve_public(host: str, port: int) -> list[str]:
    """Resolve a host to IP addresses. Raises OSError; AddressRefused when one is not public."""
    addresses = resolve(host, port)
    for address in addresses:
        if not is_public(address):
            raise AddressRefused(host, address)
    return addresses


def _ip_of(address: str) -> IPAddress:
    """The address, or the IPv4 address embedded in it. Raises ValueError."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
