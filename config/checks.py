"""System checks of the whole: what would only show when somebody opens the page, or when it is too late."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.http.request import validate_host
from django.template import TemplateSyntaxError, engines

SHORTEST_TOKEN = 20
LOOPBACK = {"127.0.0.1", "localhost", "::1", "[::1]", "testserver"}


@register(Tags.security)
def demo_stays_at_home(**_: Any) -> list[CheckMessage]:
    """One-click logins must never be reachable from another machine."""
    if not settings.DEMO:
        return []
    hosts = {*settings.ALLOWED_HOSTS, urlsplit(settings.SITE_URL).hostname or ""}
    if strangers := sorted(hosts - LOOPBACK):
        words = f"Demo mode lets anybody log in as anybody, and answers to {', '.join(strangers)}."
        return [Error(words, hint="Unset DEMO, or leave SITE_URL and ALLOWED_HOSTS at loopback.", id="config.E001")]
    return []


@register(Tags.security)
def site_url_is_ours(**_: Any) -> list[CheckMessage]:
    """Providers send people and webhooks to SITE_URL: all of them would be refused."""
    host = urlsplit(settings.SITE_URL).hostname or ""
    if validate_host(f"[{host}]" if ":" in host else host, settings.ALLOWED_HOSTS):
        return []
    words = f"SITE_URL names {host or 'no host'}, which is not in ALLOWED_HOSTS."
    return [Error(words, hint="Add it to ALLOWED_HOSTS, or correct SITE_URL.", id="config.E004")]


@register(Tags.security)
def tokens_are_long(**_: Any) -> list[CheckMessage]:
    """Nothing counts the guesses at them."""
    tokens = {"METRICS_TOKEN": settings.METRICS_TOKEN, "HEALTH_TOKEN": settings.HEALTH_TOKEN}
    hint = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
    return [
        Error(f"{name} has fewer than {SHORTEST_TOKEN} letters.", hint=hint, id="config.E003")
        for name, token in tokens.items()
        if token and len(token) < SHORTEST_TOKEN
    ]


@register(Tags.templates, deploy=True)
def templates_compile(**_: Any) -> list[CheckMessage]:
    """Every template of ours parses, and every filter and tag it names exists."""
    engine = engines["django"]
    problems: list[CheckMessage] = []
    for folder in _folders():
        for file in sorted(folder.rglob("*.*")):
            try:
                engine.from_string(file.read_text(encoding="utf-8"))
            except TemplateSyntaxError as exc:
                problems.append(Error(str(exc), obj=str(file.relative_to(settings.BASE_DIR)), id="config.E002"))
    return problems


def _folders() -> Iterator[Path]:
    for app in apps.get_app_configs():
        folder = Path(app.path) / "templates"
        if folder.is_dir() and settings.BASE_DIR in folder.parents and ".venv" not in folder.parts:
            yield folder
    for engine in engines.all():
        yield from (Path(folder) for folder in engine.dirs)
