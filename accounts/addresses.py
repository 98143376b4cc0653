"""Where a request comes from: the one answer for limits, logs, the audit log and the sessions that people see."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

FORWARDED = "HTTP_X_FORWARDED_FOR"


def client_address(request: HttpRequest) -> str:
    """As the outermost of our own proxies saw it (`TRUSTED_PROXY_COUNT`); "" where the server does not know, either.

    Each proxy adds whom it was asked by at the end of X-Forwarded-For, so what stands before ours is the caller's own
    word and counts for nothing. A request that names fewer hops than there are proxies came past them: its address is
    that of whoever asked.
    """
    count = settings.TRUSTED_PROXY_COUNT
    hops = request.META.get(FORWARDED, "").split(",") if count else []
    told = _address(hops[-count]) if count and len(hops) >= count else ""
    return told or _address(request.META.get("REMOTE_ADDR", ""))


def network_of(address: str) -> str:
    """What counts as one: the address itself, or the network that one subscriber of IPv6 has."""
    if not address:
        return "unknown"
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((address, settings.ALLAUTH_RATE_LIMIT_IPV6_PREFIX), strict=False))


def _address(hop: str) -> str:
    """Proxies write `1.2.3.4`, `1.2.3.4:567`, `2001:db8::1` and `[2001:db8::1]:567`; anything else is no address."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
