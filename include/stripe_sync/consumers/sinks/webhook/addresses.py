"""Which addresses may be connected: public ones, and those that the user allows.

The check is made on the address that is about to be connected, not on the URL: a name may resolve
to something else a moment later, and an address has many spellings.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from aiohttp.connector import AddrInfoType

NOT_PUBLIC = "is not a public address"
"""Part of the text of the ``OSError`` with which a connection is refused."""

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")
_IPV6_IN_USE = IPv6Network("2000::/3")
_IPV4_BITS = (1 << 32) - 1

# Here clouds answer with the credentials of the machine, so no wide network lets them pass.
_NAMED_ONLY = tuple(
    ip_network(text)
    for text in (
        *("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "100.100.100.200/32"),
        *("168.63.129.16/32", "192.0.0.0/24"),  # Azure's, Oracle's
    )
)


class AddressCheck:
    """Makes the sockets of a session; pass it as the ``socket_factory`` of its connector.

    Args:
        allowed: Networks that may be connected although they are not public.
    """

    def __init__(self, allowed: Sequence[_Network] = ()) -> None:
        self._allowed = allowed

    def __call__(self, address_info: AddrInfoType) -> socket.socket:
        """A socket for an address.

        Raises:
            OSError: The address may not be connected; its text has ``NOT_PUBLIC``.
        """
        family, kind, protocol, _, address = address_info
        if not self.permits(str(address[0])):
            # With a number, since the errors of several addresses are merged by it.
            raise OSError(errno.EACCES, f"{address[0]} {NOT_PUBLIC}")
        return socket.socket(family, kind, protocol)

    def permits(self, text: str) -> bool:
        """Whether an address, in any notation of ``getaddrinfo``, may be connected."""
        address = _reached(ip_address(text))
        for special in _NAMED_ONLY:
            if address in special:
                return any(
                    _is_within(network, special) and address in network for network in self._allowed
                )
        return is_public(address) or any(address in network for network in self._allowed)


def is_public(address: _Address) -> bool:
    """Whether an address is one of the internet.

    ``is_global`` alone will not do: it holds for multicast, and for IPv6 networks that lead to
    private IPv4 addresses.
    """
    in_use = isinstance(address, IPv4Address) or address in _IPV6_IN_USE
    return in_use and address.is_global and not address.is_multicast


def _reached(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 one leads to; else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & _IPV4_BITS)
    return address.ipv4_mapped or address.sixtofour or address


def _is_within(network: _Network, other: _Network) -> bool:
    if isinstance(network, IPv4Network):
        return isinstance(other, IPv4Network) and network.subnet_of(other)
    return isinstance(other, IPv6Network) and network.subnet_of(other)
