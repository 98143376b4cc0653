"""Read, renew, replace and lose a connection's secrets.

One worker at a time renews: it leases the credential's row, calls the provider with no transaction open, and writes
with a compare-and-set on `version`. Everybody else waits for the version to move. Refresh tokens are used once, so
what a renewal gave is written first and alone.
"""

import random
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from accounts import audit
from accounts.models import AuditEntry
from integrations import encryption, errors, events, logins, metrics, vault
from integrations.models import Connection, Credential, Provider
from integrations.spec import Grant
from integrations.timing import seconds, timing

log = structlog.get_logger(__name__)

MOST_FAILING_DAYS = 4
INVALID_GRANT = "invalid_grant"
FREE = Q(lease_token=None) | Q(lease_until__lt=Now())
NO_LEASE = {"lease_token": None, "lease_until": None}


class TokenBusy(errors.IntegrationError):
    """The secrets cannot be had now; the work waits and loses no attempt."""

    code = "token_busy"
    retryable = True
    halted = True
    advice = _("The login is being renewed at this moment. It goes on by itself.")


@dataclass(frozen=True, slots=True)
class Held:
    """Secrets in use. `version` tells later whether somebody has renewed them meanwhile."""

    secrets: Mapping[str, str]
    version: int

    def __repr__(self) -> str:
        return f"Held(version={self.version})"


def store(connection: Connection, grant: Grant, *, kind: str) -> Credential:
    """Create or replace the credential; commits alone, so never inside a transaction."""
    with transaction.atomic(durable=True):
        Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
        credential = Credential.objects.filter(connection=connection).first()
        if credential is None:
            credential = Credential(connection=connection, version=0)
        credential.kind = kind
        for name, value in _sealed_fields(credential, connection, grant).items():
            setattr(credential, name, value)
        credential.version += 1
        credential.issued_at = timezone.now()
        credential.refreshed_at = None
        credential.save()
    _forget_failing_days(connection)
    return credential


def usable(connection: Connection) -> Held:
    """Secrets good for a call, renewed first when they are about to end.

    When the renewal fails the old ones do while they last. Raises AuthenticationError, TokenBusy, or what the renewal
    raised.
    """
    credential = _current(connection)
    if not _ends_soon(credential, connection.provider.refresh_margin_s):
        _count(connection, "fresh")
        return _open_and_freshen(credential, connection)
    try:
        return renew(connection, seen_version=credential.version)
    except errors.AuthenticationError:
        raise
    except errors.IntegrationError:
        if credential.needs_renewal(timedelta(0)):
            raise
        return _open(credential, connection)


def present(connection: Connection) -> Held:
    """What is there, good or not; for ending it. Raises AuthenticationError when there is nothing."""
    return _open(_current(connection, ended=True), connection)


def renew(connection: Connection, *, seen_version: int, force: bool = False) -> Held:
    """Secrets newer than `seen_version`: one renewal per version, whoever asks; the others wait for it.

    `force` skips the cool-down after failures (a person asked). Never inside a transaction: what the provider gives
    exists once. Raises AuthenticationError when the login is over, TokenBusy, or the provider's error.
    """
    deadline = time.monotonic() + timing().refresh_wait_s
    while True:
        credential = _current(connection)
        if credential.version != seen_version:
            _count(connection, "raced")
            return _open(credential, connection)
        if not force:
            _stop_while_cooling(credential)
        held = _open(credential, connection)  # before the lease: a vault without its key changes no row
        if lease := _take_lease(credential):
            return _exchange(connection, credential, held, lease)
        _stop_when_over(connection)
        if time.monotonic() >= deadline:
            raise TokenBusy(retry_after=timing().refresh_busy_s)
        time.sleep(timing().refresh_poll_s)


def lose(connection: Connection, reason: str, *, paused: bool = False) -> None:
    """The provider no longer takes this login: the owner must act. Safe to run twice; the first time counts.

    Streams stop being due with the connection's status. A paused connection is left alone unless asked for.
    """
    states = [Connection.Status.ACTIVE, *([Connection.Status.PAUSED] if paused else [])]
    with transaction.atomic():
        lost = connection.move(Connection.Status.NEEDS_REAUTH, only_from=states, reason=reason)
        if lost:
            audit.record("connection.needs_reauth", connection, level=AuditEntry.Level.SECURITY, reason=reason)
            events.publish("connection.needs_reauth", connection, connection=connection, reason=reason)


def hold(credential: Credential) -> bool:
    """The right to end this login for one lease's time. False: somebody else has it."""
    free = Credential.objects.filter(FREE, pk=credential.pk)
    return bool(free.update(lease_token=uuid4(), lease_until=Now() + seconds(timing().refresh_lease_s)))


def erase(connection: Connection) -> None:
    """Remove the secrets for good. Safe to run twice."""
    Credential.objects.filter(connection=connection).delete()


def renew_due(*, limit: int = 100) -> int:
    """Renew what ends soon or was not renewed for a day, soonest first, within one tick's time. Returns how many."""
    deadline = time.monotonic() + timing().refresh_tick_s
    renewed = 0
    for credential in _due()[:limit]:
        if time.monotonic() >= deadline:
            break
        try:
            renew(credential.connection, seen_version=credential.version)
            renewed += 1
        except errors.IntegrationError as exc:
            log.info("renewal_failed", connection=str(credential.connection.public_id), error_code=exc.code)
    return renewed


def renew_now(credential_id: int) -> None:
    """A person asked: renew whatever the cool-down says. Safe to run twice, and nothing for a connection at rest."""
    found = Credential.objects.filter(pk=credential_id, connection__status=Connection.Status.ACTIVE)
    credential = found.select_related("connection__provider").first()
    if credential is None:
        return
    try:
        renew(credential.connection, seen_version=credential.version, force=True)
    except errors.IntegrationError as exc:
        log.info("renewal_failed", connection=str(credential.connection.public_id), error_code=exc.code)


def _due() -> QuerySet[Credential]:
    soon = Q(expires_at__lt=Now() + seconds(timing().refresh_ahead_s))
    idle = Q(fresh_at__lt=Now() - seconds(timing().refresh_idle_s))
    return (
        Credential.objects.annotate(fresh_at=Coalesce("refreshed_at", "issued_at"))
        .filter(soon | idle, _past_cooldown(), FREE)
        .filter(connection__status=Connection.Status.ACTIVE, connection__provider__in=Provider.objects.awake())
        .exclude(kind=Credential.Kind.API_KEY)
        .select_related("connection__provider")
        .order_by("expires_at", "pk")
    )


def _current(connection: Connection, *, ended: bool = False) -> Credential:
    """What a disconnected account had only waits to be revoked: nobody calls with it any more."""
    kept = Credential.objects.filter(connection_id=connection.pk)
    over = Q(connection__status=Connection.Status.DISCONNECTED)
    credential = (kept if ended else kept.exclude(over)).first()
    if credential is None:
        raise errors.AuthenticationError(code="no_credential", provider=connection.provider.slug)
    return credential


def _ends_soon(credential: Credential, margin_s: int) -> bool:
    """Inside the margin: the provider's, but never more than half the secrets' life; ±10 % so that not all meet."""
    if credential.expires_at is None:
        return False
    life = credential.expires_at - (credential.refreshed_at or credential.issued_at)
    margin = min(timedelta(seconds=margin_s), life / 2)
    return credential.needs_renewal(margin * random.uniform(0.9, 1.1))  # noqa: S311 - jitter, no secret


def _take_lease(credential: Credential) -> UUID | None:
    """The right to renew this version, or None while somebody else has it or the connection is over."""
    lease = uuid4()
    over = Connection.objects.filter(
        pk=OuterRef("connection_id"), status__in=[Connection.Status.NEEDS_REAUTH, Connection.Status.DISCONNECTED]
    )
    with transaction.atomic(durable=True):  # stops a caller with a transaction open, before the provider is called
        taken = Credential.objects.filter(FREE, ~Exists(over), pk=credential.pk, version=credential.version).update(
            lease_token=lease, lease_until=Now() + seconds(timing().refresh_lease_s)
        )
    return lease if taken else None


def _exchange(connection: Connection, credential: Credential, held: Held, lease: UUID) -> Held:
    """The one call of the lease's holder."""
    provider = connection.provider
    try:
        grant = logins.login_for(provider).renew(held.secrets)
    except errors.IntegrationError as exc:
        if isinstance(exc, errors.AuthenticationError) and exc.code == INVALID_GRANT:
            return _after_refusal(connection, held, exc)
        _note_failure(connection, credential, lease, exc)
        raise
    return _keep(connection, credential, grant)


def _keep(connection: Connection, credential: Credential, grant: Grant) -> Held:
    """Write what the renewal gave, guarded by the version alone: tokens that came after the lease's end are as good."""
    written = Credential.objects.filter(pk=credential.pk, version=credential.version).update(
        **_sealed_fields(credential, connection, grant), version=F("version") + 1, refreshed_at=Now()
    )
    if not written:
        _count(connection, "raced")
        return _open(_current(connection), connection)
    _count(connection, "refreshed")
    _forget_failing_days(connection)
    events.publish("credential.renewed", credential, connection=connection, version=credential.version + 1)
    return Held(grant.secrets, credential.version + 1)


def _after_refusal(connection: Connection, held: Held, refusal: errors.IntegrationError) -> Held:
    """A used-up refresh token is no lost login when somebody else has renewed meanwhile."""
    credential = _current(connection)
    if credential.version != held.version:
        _count(connection, "raced")
        return _open(credential, connection)
    _count(connection, "revoked")
    lose(connection, INVALID_GRANT)
    Credential.objects.filter(pk=credential.pk, version=held.version).update(**NO_LEASE)
    raise refusal


def _note_failure(connection: Connection, credential: Credential, lease: UUID, exc: errors.IntegrationError) -> None:
    """Give the lease back. What the provider did wrong starts a cool-down; a stop of our own does not."""
    ours = exc.halted or isinstance(exc, errors.ConfigurationError)
    failed = {} if ours else {"refresh_failed_at": Now(), "refresh_failures": F("refresh_failures") + 1}
    _count(connection, "failed")
    mine = Credential.objects.filter(pk=credential.pk, version=credential.version, lease_token=lease)
    if mine.update(**NO_LEASE, **failed) and not ours:
        events.publish("credential.renewal_failed", credential, connection=connection, code=exc.code[:40])
        _count_failing_day(connection, credential.refresh_failed_at)


def _count_failing_day(connection: Connection, last_failure: datetime | None) -> None:
    """Once a day, so that a burst of failures cannot end a connection."""
    if last_failure is not None and last_failure.date() >= timezone.now().date():
        return
    Connection.objects.filter(pk=connection.pk).update(failing_days=F("failing_days") + 1, last_error_at=Now())
    connection.refresh_from_db(fields=["failing_days"])
    if connection.failing_days >= MOST_FAILING_DAYS:
        lose(connection, "renewal_failing")


def _forget_failing_days(connection: Connection) -> None:
    Connection.objects.filter(pk=connection.pk, failing_days__gt=0).update(failing_days=0)


def _stop_while_cooling(credential: Credential) -> None:
    if credential.refresh_failed_at is None:
        return
    cooldowns = timing().refresh_cooldowns_s
    cooldown = cooldowns[min(credential.refresh_failures, len(cooldowns)) - 1]
    left = credential.refresh_failed_at + seconds(cooldown) - timezone.now()
    if left > timedelta(0):
        words = _("The provider could not renew the login just now. We try again by ourselves.")
        raise TokenBusy(words, code="token_cooling", retry_after=left.total_seconds())


def _past_cooldown() -> Q:
    cooldowns = timing().refresh_cooldowns_s
    past = Q(refresh_failed_at=None)
    for failures, cooldown in enumerate(cooldowns, start=1):
        counted = Q(refresh_failures=failures) if failures < len(cooldowns) else Q(refresh_failures__gte=failures)
        past |= counted & Q(refresh_failed_at__lte=Now() - seconds(cooldown))
    return past


def _stop_when_over(connection: Connection) -> None:
    status = Connection.objects.values_list("status", flat=True).get(pk=connection.pk)
    if status in (Connection.Status.NEEDS_REAUTH, Connection.Status.DISCONNECTED):
        raise errors.AuthenticationError(code=INVALID_GRANT, provider=connection.provider.slug)


def _sealed_fields(credential: Credential, connection: Connection, grant: Grant) -> dict[str, Any]:
    """What every replacement writes. Where the provider does not say how long its tokens last, a day is assumed."""
    assumed = timezone.now() + seconds(timing().refresh_unknown_expiry_s)
    sealed = vault.seal_json(grant.secrets, **_place(credential, connection))
    return {
        "sealed": sealed,
        "key_id": encryption.key_id(sealed),
        "expires_at": grant.expires_at or (None if credential.kind == Credential.Kind.API_KEY else assumed),
        "refresh_failed_at": None,
        "refresh_failures": 0,
        **NO_LEASE,
    }


def _open(credential: Credential, connection: Connection) -> Held:
    return Held(vault.open_json(credential.sealed, **_place(credential, connection)), credential.version)


def _open_and_freshen(credential: Credential, connection: Connection) -> Held:
    """Whoever opens and uses what an older key has sealed seals it anew. What others wrote meanwhile stands."""
    held = _open(credential, connection)
    with suppress(vault.VaultUnavailable):  # reported there; what was opened is good
        if vault.is_outdated(credential.sealed):
            anew = vault.seal_json(held.secrets, **_place(credential, connection))
            same = Credential.objects.filter(pk=credential.pk, sealed=credential.sealed)
            same.update(sealed=anew, key_id=encryption.key_id(anew))
    return held


def _place(credential: Credential, connection: Connection) -> dict[str, str]:
    """What binds the envelope to its row and owner."""
    return {
        "model_label": Credential._meta.label_lower,
        "row_uuid": str(credential.public_id),
        "field": "sealed",
        "owner": f"user:{connection.user_id}",
    }


def _count(connection: Connection, outcome: str) -> None:
    metrics.TOKEN_REFRESHES.labels(connection.provider.slug, outcome).inc()
