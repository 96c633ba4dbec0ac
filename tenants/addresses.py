"""Which address a request comes from, and whether a key may be used from there. Pure.

`X-Forwarded-For` is what whoever sends the request likes to write, up to the part that our own proxies append. So it is
read from its end, and only as far as proxies are trusted: a number of them, or their networks.
"""

from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# How many proxies stand before the server, or the networks they are in. 0 or (): the sender is who connects.
TrustedProxies = int | Sequence[Network]


def network(text: str) -> Network:
    """`10.0.0.0/8`, `2001:db8::/32`, or one address; ValueError, a sentence, for anything else."""
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(_why_not(text)) from error


def address(text: str) -> Address | None:
    """One address, with or without a port, an IPv4 one also in its IPv6 spelling; None for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def sender(*, peer: str, forwarded_for: str, trusted: TrustedProxies) -> Address | None:
    """The address of who sent the request; None if it cannot be told, which no allow list lets in.

    `peer` is who connected to the server, `forwarded_for` the header's value.
    """
    if not trusted:
        return address(peer)
    hops = [*forwarded_for.split(","), peer] if forwarded_for.strip() else [peer]
    if isinstance(trusted, int):
        return address(hops[-1 - trusted]) if len(hops) > trusted else None
    while (found := address(hops.pop())) is not None and hops and is_within(found, trusted):
        pass
    return found


def is_within(where: Address | None, networks: Iterable[Network]) -> bool:
    """Whether the address is in one of the networks."""
    return where is not None and any(where in each for each in networks)


def _why_not(text: str) -> str:
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        return "Must be an address or a network, such as 203.0.113.7, 10.0.0.0/8 or 2001:db8::/32."
    return f"Names an address inside of a network; the network is {meant}."
