"""An IP address → whether it is on the public internet, or this machine itself."""

import ipaddress

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# RFC 5214, 6.1: the interface identifier of ISATAP; the bit 0x0200 says that the IPv4 address after
# it is unique in the world, which nothing checks.
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
_IPV6_GLOBAL = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments; a cloud's metadata service answers there
        "192.88.99.0/24",  # relays to 6to4
        "168.63.129.16/32",  # a cloud's own service to its virtual machines, on a public address
        "3fff::/20",  # documentation
    )
)
"""Networks that Python 3.11's ``is_global`` counts as public and to which nothing is sent."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: Address) -> bool:
    """Return whether an address, and every IPv4 address inside it, is on the public internet.

    Teredo (2001::/32), the local prefix of NAT64 (64:ff9b:1::/48), IPv4-compatible (::a.b.c.d) and
    IPv4-translated addresses (::ffff:0:a.b.c.d) are public in no case, whatever is inside.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if not all(map(is_public, _inside(address))):
            return False
        if address in _NAT64 or address.ipv4_mapped is not None or address.sixtofour is not None:
            return True
        if address not in _IPV6_GLOBAL:
            return False
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return not any(address in network for network in _NOT_PUBLIC)


def _inside(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """Return the IPv4 addresses to which a router or a translator may send what goes to this one.

    More than one where forms are nested: an ISATAP interface in a 6to4 network.

    >>> _inside(ipaddress.IPv6Address("2002:808:808::5efe:a00:1"))
    [IPv4Address('8.8.8.8'), IPv4Address('10.0.0.1')]
    """
    inside = [each for each in (address.ipv4_mapped, address.sixtofour) if each is not None]
    last = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _NAT64 or (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        inside.append(last)
    return inside


def is_loopback(address: Address) -> bool:
    """Return whether an address is this machine itself."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
