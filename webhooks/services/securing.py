"""Signing secrets: one in use, the one before it good for a last day, each sealed and shown once at most."""

import secrets
from base64 import b64encode
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from integrations import encryption, registry, vault
from integrations.timing import seconds, timing
from webhooks.models import WebhookEndpoint, WebhookSecret

State = WebhookSecret.State
STANDARD = ("standard-webhooks", "svix")
LEAST_LETTERS, MOST_LETTERS = 16, 500


class SecretRefused(Exception):
    """A rotation that would harm; the message says why, in words for operations."""


@transaction.atomic
def rotate(endpoint: WebhookEndpoint, given: str = "") -> str:
    """Begin to take a new secret, `given` by the provider or made here, and let the one in use last another day.

    Returns it, for it is never shown again. Raises SecretRefused while the one before is still in its last day.
    """
    WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    endpoint.secrets.lapsed().update(state=State.ENDED, sealed="", key_id="")
    if endpoint.secrets.filter(state=State.RETIRING).exists():
        raise SecretRefused("Two secrets are good already. Wait until the older one has ended, or end it now.")
    text = given or new_secret(endpoint.provider.slug)
    ends = timezone.now() + _overlap()
    endpoint.secrets.filter(state__in=[State.NEW, State.ACTIVE]).update(state=State.RETIRING, not_after=ends)
    row = WebhookSecret(endpoint=endpoint)
    row.sealed = vault.seal_json({"secret": text}, **row.place)
    row.key_id = encryption.key_id(row.sealed)
    row.fingerprint = vault.fingerprint(row.sealed)
    row.save()
    return text


def new_secret(slug: str) -> str:
    """256 bits in the form that the provider's scheme asks for."""
    if registry.webhooks(slug).SCHEME in STANDARD:
        return f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"
    return secrets.token_urlsafe(32)


def end(secret: WebhookSecret) -> bool:
    """Make a secret worthless now. False: it was already."""
    live = WebhookSecret.objects.filter(pk=secret.pk).exclude(state=State.ENDED)
    return bool(live.update(state=State.ENDED, sealed="", key_id="", not_after=Now()))


def end_lapsed() -> int:
    return WebhookSecret.objects.lapsed().update(state=State.ENDED, sealed="", key_id="")


def _overlap() -> timedelta:
    return seconds(timing().webhook_secret_overlap_s)
