"""Whose failed log-ins to the admin count together: those from one address, as our proxies tell it."""

from ipaddress import IPv6Address, IPv6Network

from django.http import HttpRequest

from tenants.auth import sender_of

# What one household or machine is usually given: whoever has it can choose among all of its addresses.
IPV6_PREFIX = 64


def address_of(request: HttpRequest) -> str | None:
    """The sender's address, of IPv6 its network; None if it cannot be told, and these count together."""
    found = sender_of(request)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((found, IPV6_PREFIX), strict=False).network_address)
    return None if found is None else str(found)
