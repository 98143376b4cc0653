"""Which addresses a provider may be called at: its spec's hosts by name, loopback while the sandbox is on."""

from urllib.parse import urlsplit

from django.conf import settings

from integrations.resilience.outbound import Refused, Rules
from integrations.spec import ProviderSpec

LONGEST = 200


def rules_for(spec: ProviderSpec) -> Rules:
    """The rules that every call to the provider follows, too."""
    return Rules.of(spec.allowed_hosts, loopback=settings.SANDBOX_ENABLED)


def problem_of(url: str, spec: ProviderSpec) -> str:
    """Why `url` is no base URL of the provider, in words; empty when it is one.

    Stricter than for a call: paths are appended to it. The host is compared as text, so no other spelling of an address
    (127.1, 2130706433, a trailing dot) gets through; where its name leads to is judged at each call.
    """
    if len(url) > LONGEST or any(sign in url for sign in "?@%"):
        return "write a plain address such as https://api.example.org"
    try:
        rules_for(spec).origin(url)
    except Refused as refused:
        return str(refused)
    path = urlsplit(url).path
    return "this is not an address" if ".." in path or "//" in path else ""
