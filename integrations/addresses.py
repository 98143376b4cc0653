"""Which addresses a provider may be called at: its spec's hosts by name, loopback while the sandbox is on."""

from urllib.parse import urlsplit

from django.conf import settings

from integrations.spec import ProviderSpec

LONGEST = 200
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
FIRST_FREE_PORT = 1024


def problem_of(url: str, spec: ProviderSpec) -> str:
    """Why `url` is no base URL of the provider, in words; empty when it is one.

    The host is compared as text, so no other spelling of an address (127.1, 2130706433, a trailing dot) gets through.
    """
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or any(sign in url for sign in " \\?#@%"):
        return "write a plain address such as https://api.example.org"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "this is not an address"
    if port == 0 or ".." in parts.path or "//" in parts.path:
        return "this is not an address"
    host = parts.netloc.rpartition(":")[0] if port is not None else parts.netloc
    if host in LOOPBACK:
        return _problem_of_loopback(parts.scheme, port)
    if parts.scheme != "https":
        return "it must begin with https://"
    if host not in spec.allowed_hosts:
        return f"the host is not one of {', '.join(sorted(spec.allowed_hosts))}"
    if port not in (None, 443):
        return "only port 443 is allowed"
    return ""


def _problem_of_loopback(scheme: str, port: int | None) -> str:
    if not settings.SANDBOX_ENABLED:
        return "this machine's own addresses are for the sandbox, which is off"
    if scheme not in {"http", "https"}:
        return "it must begin with http:// or https://"
    return "" if port and port >= FIRST_FREE_PORT else f"the sandbox's port is {FIRST_FREE_PORT} or above"
