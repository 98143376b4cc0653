"""The vault of this installation: cv1 envelopes of JSON values under the ring in the settings."""

import json
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from threading import Lock
from typing import Any

import structlog
from cachetools import TTLCache
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_noop as _

from accounts import audit
from accounts.models import AuditEntry
from integrations import encryption, errors, metrics
from integrations.encryption import Context, KeyRing, KeyRingInvalid, VaultError, VaultKeyMissing, VaultWrongKey
from integrations.models import VaultKey

log = structlog.get_logger(__name__)

RETRY_AFTER_S = 300.0
_reporting = Lock()
_registered: set[str] = set()
_reported: TTLCache[tuple[str, str, str], bool] = TTLCache(maxsize=10_000, ttl=3600)


class VaultUnavailable(errors.ConfigurationError):
    """A sealed value cannot be had now: the fault of the installation, never of the person whose secret it is."""

    code = "vault"
    advice = _("This is temporarily unavailable. Our operations people have been told.")


class VaultParked(VaultUnavailable):
    """As above, and operations can end it by putting the key back: work waits and loses no attempt."""

    code = "vault_key_missing"
    retryable = True
    halted = True


def keyring() -> KeyRing:
    """The running process's ring. Raises VaultUnavailable."""
    try:
        return _parsed(settings.CREDENTIAL_KEYS)
    except KeyRingInvalid as exc:
        raise VaultUnavailable(f"CREDENTIAL_KEYS: {exc}", code="vault_no_keys") from None


def sealing_ring() -> KeyRing:
    """The ring with its first key written down, for those who seal many. Raises VaultUnavailable."""
    ring = keyring()
    _register(ring, (VaultKey._meta.label_lower, ring.primary, "check_value", "ring"))
    return ring


def is_outdated(blob: str) -> bool:
    """Whether a key that came before the ring's first one has sealed it.

    While a new ring is being deployed some processes have the newer key second: to them nothing is outdated.
    """
    kid, primary = encryption.key_id(blob), keyring().primary
    if kid == primary:
        return False
    seen = dict(VaultKey.objects.filter(kid__in=[kid, primary]).values_list("kid", "pk"))
    return kid in seen and primary in seen and seen[kid] < seen[primary]


def seal_json(value: Mapping[str, Any], *, model_label: str, row_uuid: object, field: str, owner: str) -> str:
    """The envelope of `value`, to be opened with the same four words only. Remembers the key id on its first use."""
    ring = keyring()
    context = (model_label, str(row_uuid), field, owner)
    _register(ring, context)
    return encryption.seal(json.dumps(value, separators=(",", ":")).encode(), keyring=ring, context=context)


def open_json(blob: str, *, model_label: str, row_uuid: object, field: str, owner: str) -> dict[str, Any]:
    """What was sealed. Raises VaultParked while the key is missing, else VaultUnavailable; the row stays as it is."""
    ring = keyring()
    context = (model_label, str(row_uuid), field, owner)
    try:
        opened: dict[str, Any] = json.loads(encryption.open_sealed(blob, keyring=ring, context=context).reveal())
    except VaultError as exc:
        raise report(exc, context) from None
    return opened


def fingerprint(blob: str) -> str:
    """Tells one envelope from another, and nothing about what is in it."""
    return sha256(blob.encode()).hexdigest()[:12]


def _register(ring: KeyRing, context: Context) -> None:
    """Write down what the primary key looks like when it seals for the first time; refuse other bytes under its id."""
    kid, value = ring.primary, ring.check_value(ring.primary)
    if value in _registered:
        return
    VaultKey.objects.bulk_create([VaultKey(kid=kid, check_value=value)], ignore_conflicts=True)
    if VaultKey.objects.get(kid=kid).check_value != value:
        raise report(VaultWrongKey(kid, context=context), context)
    transaction.on_commit(lambda: _registered.add(value))


def report(exc: VaultError, context: Context) -> VaultUnavailable:
    """Count it, write it down once an hour and row, and say it in the engine's words."""
    metrics.VAULT_ERRORS.labels(exc.kind).inc()
    model_label, row_uuid, field, _ = context
    if _is_news((exc.kind, row_uuid, field)):
        log.error("vault_error", kind=exc.kind, kid=exc.kid, model=model_label, row=row_uuid)
        audit.record_about(
            "vault.not_opened",
            model_label,
            row_uuid,
            outcome=AuditEntry.Outcome.FAILURE,
            level=AuditEntry.Level.SECURITY,
            kind=exc.kind,
            kid=exc.kid,
        )
    if isinstance(exc, VaultKeyMissing):
        return VaultParked(str(exc), retry_after=RETRY_AFTER_S)
    return VaultUnavailable(str(exc), code=f"vault_{exc.kind}")


def _is_news(failure: tuple[str, str, str]) -> bool:
    with _reporting:
        known = failure in _reported
        _reported[failure] = True
    return not known


@cache
def _parsed(text: str) -> KeyRing:
    return KeyRing.parse(text)
