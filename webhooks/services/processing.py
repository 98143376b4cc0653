"""What stored events lead to: claimed in batches, each one's effects and its end in one transaction.

Whoever crashed once is claimed alone from then on, so that a poisonous event takes no neighbour with it.
"""

import json
import os
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from integrations import errors, registry, tracing
from integrations.models.leases import LeaseLost
from integrations.records import EventKind, ProviderEvent
from integrations.services import notifying
from integrations.services.notifying import Verdict
from integrations.timing import seconds, step, timing
from webhooks import metrics
from webhooks.models import AppliedObject, WebhookAttempt, WebhookEvent, WebhookSecret
from webhooks.services.keys import object_key

log = structlog.get_logger(__name__)

BATCH = 50
BUDGET_S = 20.0
MOST_ATTEMPTS = 8
MOST_CRASHES = 3
MOST_REAPED = 1_000
ABOUT_OBJECTS = (EventKind.RESOURCE_CHANGED, EventKind.RESOURCE_DELETED)
STALE = "stale"
Status = WebhookEvent.Status


@dataclass(frozen=True, slots=True)
class Finding:
    """What the events of one body came to."""

    verdicts: frozenset[str]
    connections: frozenset[int]
    told: int = 0  # how many events the body told
    bad: tuple[str, ...] = ()  # what is wrong with each item that was set aside

    @property
    def status(self) -> str:
        return Status.PROCESSED if Verdict.APPLIED in self.verdicts else Status.IGNORED

    @property
    def reason(self) -> str:
        """Why nothing, or not all of it, was acted on; the gravest word."""
        ranked: tuple[str, ...] = (Verdict.BAD_ITEM, Verdict.UNKNOWN_ACCOUNT, STALE, Verdict.UNUSED)
        if Verdict.APPLIED in self.verdicts:
            ranked = ranked[:2]
        return next((str(word) for word in ranked if word in self.verdicts), "" if self.verdicts else "empty")

    @property
    def words(self) -> str:
        """How many items were set aside, and why the first one."""
        return f"{len(self.bad)} of {self.told} set aside, the first one since {self.bad[0]}" if self.bad else ""


def process_due(budget_s: float = BUDGET_S) -> int:
    """Work on what is due until nothing is, or the budget is spent. Returns how many. Safe in parallel."""
    ends, done = time.monotonic() + budget_s, 0
    while time.monotonic() < ends and (batch := _claim()):
        for event in batch:
            _work(event)
        done += len(batch)
    return done


def reap() -> int:
    """Take events from workers that went silent; at the third time the event itself is to blame. Returns how many."""
    with transaction.atomic():
        lapsed = WebhookEvent.objects.lapsed().filter(status=Status.PROCESSING)
        events = list(lapsed.select_for_update(skip_locked=True)[:MOST_REAPED])
        for event in events:
            event.crashes += 1
            is_over = event.crashes >= MOST_CRASHES
            _note(event, "crashed", took_s=0, code="crash_loop" if is_over else "worker_lost")
            fields: dict[str, Any] = {"crashes": event.crashes}
            if is_over:
                _bury(event, "crash_loop", "its worker died each time", **fields)
            else:
                event.settle(status=Status.RECEIVED, next_attempt_at=Now(), error_code="worker_lost", **fields)
    return len(events)


def _claim() -> list[WebhookEvent]:
    """A batch of those that never crashed, or a single one that did."""
    rows = WebhookEvent.objects
    batch = rows.filter(crashes=0).claim_batch(BATCH) or rows.filter(crashes__gt=0).claim_batch(1)
    found = rows.filter(pk__in=[event.pk for event in batch]).select_related("endpoint__provider", "secret")
    held = {event.lease_token for event in batch}
    return [event for event in found.order_by("pk") if event.lease_token in held]


def _work(event: WebhookEvent) -> None:
    provider, started = event.endpoint.provider, time.monotonic()
    with tracing.trace(event.trace_id, webhook=str(event.public_id), provider=provider.slug):
        try:
            with transaction.atomic():
                outcome = _process(event, started)
        except LeaseLost:
            log.warning("webhook_lease_lost")
            return
        except errors.IntegrationError as exc:
            words = f"{exc.advice} ({exc.message})" if exc.message != exc.advice else exc.message
            outcome = _fail(event, started, exc.code, words, is_retryable=exc.retryable)
        except Exception as exc:  # one event's mistake must not stop the others
            log.exception("webhook_failed")
            outcome = _fail(event, started, type(exc).__name__, "", is_retryable=True)
    metrics.PROCESS_SECONDS.labels(provider.slug).observe(time.monotonic() - started)
    metrics.PROCESSED.labels(provider.slug, outcome).inc()


def _process(event: WebhookEvent, started: float) -> str:
    """Effects and end in the caller's transaction. Raises LeaseLost when somebody else has the event by now."""
    if event.body is None:
        return _die(event, started, "body_gone", "the body was blanked after its time")
    if not event.replays and timezone.now() - event.received_at > seconds(timing().webhook_stale_s):
        return _die(event, started, STALE, "it waited for longer than events are good for")
    if event.attempts > MOST_ATTEMPTS:
        return _die(event, started, "attempts", "every attempt was used up")
    finding = _apply(event, registry.webhooks(event.endpoint.provider.slug).parse(json.loads(bytes(event.body))))
    _promote(event.secret)
    left = seconds(timing().webhook_unknown_s) - (timezone.now() - event.received_at)
    if Verdict.UNKNOWN_ACCOUNT in finding.verdicts and left > timedelta(0) and not event.replays:
        return _put_off(
            event, started, "unknown_account", "", min(step(timing().webhook_retry_s, event.attempts), left)
        )
    only = next(iter(finding.connections)) if len(finding.connections) == 1 else None
    _note(event, finding.status, time.monotonic() - started, finding.reason, finding.words)
    _settle(
        event, status=finding.status, reason=finding.reason, connection_id=only, finished_at=Now(),
        error_code=str(Verdict.BAD_ITEM) if finding.bad else "", error_detail=finding.words[:500],
    )  # fmt: skip
    return finding.status


def _apply(event: WebhookEvent, told: Iterable[ProviderEvent]) -> Finding:
    """In the order of the objects' keys, as all workers do: two bodies about the same objects cannot block each other.

    What the provider tells twice in one body counts once.
    """
    verdicts: set[str] = set()
    connections: set[int] = set()
    bad: list[str] = []
    once = {one.dedupe_key or index: one for index, one in enumerate(told)}
    for one in sorted(once.values(), key=lambda one: (object_key(one), one.happened_at or event.received_at)):
        if not _is_news(event, one):
            verdicts.add(STALE)
            continue
        effect = notifying.apply(one, event.endpoint.provider)
        verdicts.add(effect.verdict)
        if effect.verdict == Verdict.BAD_ITEM:
            bad.append(effect.words)
        if effect.connection is not None:
            connections.add(effect.connection.pk)
    metrics.BAD_ITEMS.labels(event.endpoint.provider.slug).inc(len(bad))
    return Finding(frozenset(verdicts), frozenset(connections), len(once), tuple(bad))


def _is_news(event: WebhookEvent, one: ProviderEvent) -> bool:
    """Whether nothing newer is known of the object. Where the provider tells no time, that of its arrival counts."""
    if one.kind not in ABOUT_OBJECTS or not one.object_id:
        return True
    happened_at: datetime = one.happened_at or event.received_at
    if happened_at.tzinfo is None:
        happened_at = happened_at.replace(tzinfo=UTC)
    is_deleted = one.kind == EventKind.RESOURCE_DELETED
    return AppliedObject.objects.advance(event.endpoint.provider, object_key(one), happened_at, is_deleted=is_deleted)


def _promote(secret: WebhookSecret | None) -> None:
    """Something came signed with the new secret, so the provider has it."""
    if secret is not None and secret.state == WebhookSecret.State.NEW:
        states = WebhookSecret.State
        WebhookSecret.objects.filter(pk=secret.pk, state=states.NEW).update(state=states.ACTIVE)


def _fail(event: WebhookEvent, started: float, code: str, words: str, *, is_retryable: bool) -> str:
    """After its own effects were undone: another attempt later, or dead."""
    try:
        with transaction.atomic():
            if is_retryable and event.attempts < MOST_ATTEMPTS:
                return _put_off(event, started, code, words, step(timing().webhook_retry_s, event.attempts))
            return _die(event, started, code, words)
    except LeaseLost:
        log.warning("webhook_lease_lost")
        return "lost"


def _put_off(event: WebhookEvent, started: float, code: str, words: str, delay: timedelta) -> str:
    _note(event, "put_off", time.monotonic() - started, code, words)
    _settle(
        event, status=Status.RECEIVED, next_attempt_at=Now() + delay, error_code=code[:40], error_detail=words[:500]
    )
    return "put_off"


def _die(event: WebhookEvent, started: float, code: str, words: str) -> str:
    _note(event, "dead", time.monotonic() - started, code, words)
    if not _bury(event, code, words):
        raise LeaseLost
    return "dead"


def _bury(event: WebhookEvent, code: str, words: str, **fields: Any) -> bool:
    is_first = not WebhookEvent.objects.dead().exists()
    buried = event.settle(
        status=Status.DEAD,
        reason=code[:40],
        error_code=code[:40],
        error_detail=words[:500],
        finished_at=Now(),
        **fields,
    )
    if buried:
        metrics.DEAD.labels(code[:40]).inc()
        log.error("webhook_dead", reason=code, webhook=str(event.public_id), is_first=is_first)
    return buried


def _settle(event: WebhookEvent, **fields: Any) -> None:
    if not event.settle(**fields):
        raise LeaseLost


def _note(event: WebhookEvent, outcome: str, took_s: float, code: str = "", words: str = "") -> None:
    WebhookAttempt.objects.create(
        event=event,
        replays=event.replays,
        number=event.attempts,
        seconds=took_s,
        outcome=outcome,
        error_code=code[:40],
        error_detail=words[:500],
        worker=f"{socket.gethostname()}:{os.getpid()}"[:64],
    )
