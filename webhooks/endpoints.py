"""Endpoints as the receiver knows them: at most two seconds old, so that a request costs no look at three tables.

The signing secrets are in this process's memory for as long, and nowhere else in clear.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from cachetools import TTLCache

from integrations import errors, logins, registry, vault
from integrations.models import ProviderMode
from integrations.spec import UNSIGNED, Webhooks
from webhooks.models import WebhookEndpoint, WebhookSecret

FRESH_S = 2.0
MOST_KNOWN = 1_000

_known: TTLCache[tuple[str, str], "Endpoint"] = TTLCache(maxsize=MOST_KNOWN, ttl=FRESH_S)
_lock = Lock()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one request needs to know. `secrets` by their rows' ids; the repr tells none of them.

    `must_be_signed` asks for a signature with our client secret, by `client_scheme`, whatever else proves the request.
    """

    pk: int
    slug: str
    part: Webhooks
    most_bytes: int
    tolerance_s: int
    is_strict: bool
    client_id: str
    registration: Mapping[str, Any]
    secrets: Mapping[int, str]
    must_be_signed: bool
    client_scheme: str
    client_secret: str

    def __repr__(self) -> str:
        return f"Endpoint({self.pk}, {self.slug!r})"

    @property
    def is_unsigned(self) -> bool:
        return self.part.SCHEME == UNSIGNED


def find(slug: str, token: str, *, anew: bool = False) -> Endpoint | None:
    """The endpoint that may be sent to, `anew` read from the tables. Raises VaultUnavailable, DatabaseError."""
    with _lock:
        found = None if anew else _known.get((slug, token))
    if found is None and (found := _read(slug, token)):
        with _lock:
            _known[slug, token] = found
    return found


def drop(slug: str, token: str) -> None:
    """This process's next look reads the tables; the others follow within two seconds."""
    with _lock:
        _known.pop((slug, token), None)


def forget() -> None:
    """The next look reads the tables; a child process has to, since locks do not survive a fork."""
    global _lock  # noqa: PLW0603
    _lock = Lock()
    _known.clear()


def _read(slug: str, token: str) -> Endpoint | None:
    rows = WebhookEndpoint.objects.filter(provider__slug=slug, token=token, is_active=True)
    row = rows.exclude(provider__mode=ProviderMode.OFF).select_related("provider").first()
    if row is None or slug not in registry.specs():
        return None
    part = registry.webhooks(slug)
    return Endpoint(
        pk=row.pk,
        slug=slug,
        part=part,
        most_bytes=min(row.max_body_bytes, part.MOST_BYTES),
        tolerance_s=row.tolerance_s,
        is_strict=row.strict_order or part.ORDERED,
        client_id=row.provider.client_id,
        registration=row.registration,
        secrets={secret.pk: reveal(secret) for secret in _live(row)},
        must_be_signed=row.must_be_signed,
        client_scheme=registry.spec_for(slug).client_signature,
        client_secret=_client_secret(row),
    )


def reveal(secret: WebhookSecret) -> str:
    """The secret itself. Raises VaultUnavailable."""
    return str(vault.open_json(secret.sealed, **secret.place)["secret"])


def _client_secret(row: WebhookEndpoint) -> str:
    """Empty while operations have not entered it: then nothing can be proven."""
    try:
        return logins.client_of(row.provider).secret if row.must_be_signed else ""
    except errors.ConfigurationError:
        return ""


def _live(row: WebhookEndpoint) -> list[WebhookSecret]:
    return list(row.secrets.live().select_related("endpoint__provider"))


os.register_at_fork(after_in_child=forget)
