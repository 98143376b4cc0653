"""Pages for machines, opened by a token of the settings."""

from hmac import compare_digest

from django.http import HttpRequest


def holds(request: HttpRequest, token: str) -> bool:
    """Whether the request brings `token` as `Authorization: Bearer`; how long it takes tells nothing of the token."""
    scheme, _, brought = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and compare_digest(brought.encode(), token.encode())
