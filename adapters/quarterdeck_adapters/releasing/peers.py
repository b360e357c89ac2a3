"""Which addresses an outgoing announcement may reach: public ones, and private ones only where the config names them.

Where cloud providers serve credentials of the machine is never reached, whatever the config names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

METADATA = tuple(
    map(
        ipaddress.ip_network,
        (
            "169.254.0.0/16",  # link-local; the metadata of AWS, Google Cloud, Azure, OpenStack, Oracle
            "fe80::/10",
            "fd00:ec2::/32",  # AWS: IMDS over IPv6
            "fd20:ce::254/128",  # Google Cloud: metadata over IPv6
            "fd00:c1::a9fe:a9fe/128",  # Oracle Cloud
            "fd00:42::42/128",  # Scaleway
            "100.100.100.200/32",  # Alibaba Cloud
            "168.63.129.16/32",  # Azure: the platform's own address, which is public by its number
            "192.0.0.192/32",  # Oracle Cloud, older
        ),
    )
)
UNICAST = ipaddress.IPv6Network("2000::/3")
NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
"""RFC 6052, RFC 8215: the last 32 bits are an IPv4 address (of the prefixes of 96 bits)."""


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """CIDRs, or single addresses. Raises ValueError that names the one which is none."""
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in texts)


def faces(address: Address) -> Iterator[Address]:
    """The address, and every IPv4 address that it carries inside."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if any(address in network for network in NAT64) or (int(address) >> 32 == 0 and int(address) > 1):
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def public(address: Address) -> bool:
    """Whether it is of the internet at large: for IPv6 global unicast (RFC 4291, 2000::/3), or a carried IPv4."""
    if isinstance(address, ipaddress.IPv6Address) and not any(address in network for network in (UNICAST, *NAT64)):
        return False
    return address.is_global


def refusal(text: str, allowed: Sequence[Network] = ()) -> str:
    """Why nothing is sent to this address; empty when it may be.

    An IPv6 address that carries an IPv4 one is judged by both, but a mapped one (`::ffff:a.b.c.d`) is that IPv4
    address and nothing else.
    """
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:
        return f"{text} is no address"
    found = list(faces(address))
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        found = found[1:]
    for face in found:
        if any(face in network for network in METADATA):
            return f"{text} is link-local or a cloud's metadata, which is never reached"
        if face.is_unspecified or face.is_multicast or str(face) == "255.255.255.255":
            return f"{text} is no single machine's address"
        if not public(face) and not any(face in network for network in allowed):
            kind = "loopback" if face.is_loopback else "private"
            return f"{text} is {kind}, and peers: of this webhook does not allow it"
    return ""
