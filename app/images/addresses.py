"""An IP address → whether it is on the public internet, or this machine itself."""

import ipaddress

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
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
    """Return whether an address, and an IPv4 address inside it, is on the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        inside = address.ipv4_mapped or address.sixtofour
        if inside is not None:
            return is_public(inside)
        if address not in _IPV6_GLOBAL:
            return False
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return not any(address in network for network in _NOT_PUBLIC)


def is_loopback(address: Address) -> bool:
    """Return whether an address is this machine itself."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
