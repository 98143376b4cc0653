"""Walks over everything that is sealed: a rotation seals it anew under the ring's first key, a verification opens it.

A batch is opened and sealed with no transaction open, then written by one UPDATE that takes only rows whose envelope is
still the one that was read: what somebody else has written meanwhile stands. The rows themselves say what is left, so
a walk that was killed or stopped goes on where it was. What does not open is counted, reported and left as it is.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg
import structlog
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from accounts import audit
from accounts.models import AuditEntry, User
from integrations import bell, encryption, sealed, tracing, vault
from integrations.encryption import Context, KeyRing, VaultError
from integrations.models import VaultKey, VaultRotation
from integrations.models.leases import LeaseLost
from integrations.sealed import Sealed, SealedColumn
from integrations.timing import seconds, timing

log = structlog.get_logger(__name__)

BATCH = 1_000
GAP = ","  # never part of an envelope; quoting a thousand texts one by one takes longer than sealing them
MOST_TOLD = 20  # envelopes that do not open and are named; the others are counted
MOST_ATTEMPTS = 5  # deaths without a batch between them
KEY_NOT_FIRST = "key_not_first"
STOPPED_ITSELF = "Its worker died several times without getting on. Look at the worker's log, then continue."
Kind, Status = VaultRotation.Kind, VaultRotation.Status
ACTIVE = (Status.QUEUED, Status.RUNNING)
NO_LEASE = {"lease_token": None, "lease_until": None}

type Told = Callable[[VaultRotation], object]


class RotationRefused(Exception):
    """The message tells operations why, and what comes first."""


class Fresh(NamedTuple):
    pk: int
    was: str
    now: str


@dataclass(slots=True)
class Resealed:
    """What became of one batch."""

    fresh: list[Fresh] = field(default_factory=list)
    bad: dict[int, tuple[VaultError, Context]] = field(default_factory=dict)


@dataclass(slots=True)
class Walk:
    """One claim of a rotation or verification; it ends with its worker."""

    rotation: VaultRotation
    ring: KeyRing
    deadline: float
    size: int = BATCH
    pause_s: float = 0.0
    told: Told = lambda _: None
    bad: dict[tuple[str, int], str] = field(default_factory=dict)  # (column, row) → kind of its fault

    def note(self, column: SealedColumn, bad: dict[int, tuple[VaultError, Context]]) -> None:
        """Name the first few that do not open where such things are named, and remember all."""
        for pk, (exc, context) in bad.items():
            row = (column.name, pk)
            if row not in self.bad and len(self.bad) < MOST_TOLD:
                vault.report(exc, context)
            self.bad[row] = exc.kind

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.deadline


def start(target: str, *, by: User | None, rings: bool = True) -> VaultRotation:
    """Have everything sealed under `target`, the ring's first key; the rotation under way when there is one.

    Raises RotationRefused. Without `rings` the caller runs it, or a tick finds it.
    """
    try:
        ring = vault.sealing_ring()
    except vault.VaultUnavailable as exc:
        raise RotationRefused(f"The ring is not in order: {exc}.") from None
    if target not in ring.keys:
        raise RotationRefused(f"The key {target} is not in the ring. Add it after the first one and restart all parts.")
    if target != ring.primary:
        raise RotationRefused(
            f"New logins are still sealed with {ring.primary}. Put {target} first, restart all parts, then rotate."
        )
    rotation = _one_active(Kind.ROTATE, target, by)
    if rotation.target != target:
        raise RotationRefused(f"A rotation to {rotation.target} is under way. Stop it first.")
    if rings:
        bell.ring(bell.ROTATE_KEYS, rotation.pk)
    return rotation


def verify(*, by: User | None) -> VaultRotation:
    """Have everything opened and counted; the verification under way when there is one."""
    verification = _one_active(Kind.VERIFY, "", by)
    bell.ring(bell.ROTATE_KEYS, verification.pk)
    return verification


def stop(rotation: VaultRotation) -> bool:
    """Ends after the batch it is at. False: it had ended."""
    active = VaultRotation.objects.filter(pk=rotation.pk, status__in=ACTIVE)
    return bool(active.update(status=Status.STOPPED, ended_at=Now(), **NO_LEASE))


def go_on(rotation: VaultRotation) -> bool:
    """Continue a stopped one. False: it was not stopped, or another one is under way."""
    stopped = VaultRotation.objects.filter(pk=rotation.pk, status=Status.STOPPED)
    fresh = {"ended_at": None, "attempts": 0, "error_code": "", "error_detail": "", "next_attempt_at": Now()}
    try:
        with transaction.atomic():
            continued = stopped.update(status=Status.QUEUED, **fresh)
    except IntegrityError:
        return False
    if continued:
        bell.ring(bell.ROTATE_KEYS, rotation.pk)
    return bool(continued)


def retire(key: VaultKey) -> bool:
    """Say that nothing needs the key, so that the ring may drop it. False while something is sealed with it."""
    if key.kid == vault.keyring().primary or any(column.under([key.kid]).exists() for column in sealed.columns()):
        return False
    return bool(VaultKey.objects.filter(pk=key.pk, retired_at=None).update(retired_at=Now()))


def left(target: str) -> int:
    """How many rows that last are not sealed with `target`."""
    return sum(column.rows().count() - column.under([target]).count() for column in _lasting())


def put_back_lapsed() -> int:
    """Queue what a silent worker left; what kills its workers again and again is stopped. Safe to run in parallel."""
    lapsed = VaultRotation.objects.lapsed().filter(status=Status.RUNNING)
    given_up = lapsed.filter(attempts__gte=MOST_ATTEMPTS).update(
        status=Status.STOPPED, ended_at=Now(), error_code="worker_lost", error_detail=STOPPED_ITSELF, **NO_LEASE
    )
    return given_up + lapsed.update(status=Status.QUEUED, next_attempt_at=Now(), **NO_LEASE)


def run(rotation_id: int, *, size: int = BATCH, pause_s: float = 0.0, told: Told = lambda _: None) -> None:
    """Work on a due walk until it ends, is stopped or has used up its time. Safe to run twice: one run claims it."""
    rotation = VaultRotation.objects.claim(rotation_id)
    if rotation is None:
        return
    with tracing.trace(rotation=str(rotation.pk)):
        try:
            deadline = time.monotonic() + timing().rotation_budget_s
            _begin(Walk(rotation, vault.sealing_ring(), deadline, size, pause_s, told))
        except LeaseLost:
            log.info("rotation_lease_lost")
        except vault.VaultUnavailable as exc:
            _put_off(rotation, exc.code, str(exc))


def _begin(walk: Walk) -> None:
    rotation = walk.rotation
    if rotation.kind == Kind.VERIFY:
        _write(rotation, done_n=0, failed_n=0, total_n=sum(column.rows().count() for column in sealed.columns()))
        _verify(walk)
        _end(walk, failed_n=len(walk.bad))
    elif rotation.target != walk.ring.primary:
        words = f"A worker still seals with {walk.ring.primary}. Once all have {rotation.target} first, it goes on."
        _put_off(rotation, KEY_NOT_FIRST, words)
    else:
        _write(rotation, total_n=rotation.done_n + left(rotation.target), failed_n=0, error_code="", error_detail="")
        if _rotate(walk):
            _end(walk, failed_n=left(rotation.target))
        else:
            _pause(rotation)


def _rotate(walk: Walk) -> bool:
    """Round after round until one moves nothing, for rows come back under an old key while processes restart."""
    while True:
        moved = 0
        for column in _lasting():
            others = [kid for kid in walk.ring.keys if kid != walk.rotation.target]
            for batch in column.batches(walk.size, kids=others):
                moved += _store(walk, column, _reseal(batch, walk.ring))
                if walk.is_over:
                    return False
                time.sleep(walk.pause_s)
        if not moved:
            return True


def _reseal(batch: list[Sealed], ring: KeyRing) -> Resealed:
    done = Resealed()
    for row in batch:
        try:
            plaintext = encryption.open_sealed(row.blob, keyring=ring, context=row.context)
        except VaultError as exc:
            done.bad[row.pk] = (exc, row.context)
        else:
            anew = encryption.seal(plaintext.reveal(), keyring=ring, context=row.context)
            done.fresh.append(Fresh(row.pk, row.blob, anew))
    return done


def _store(walk: Walk, column: SealedColumn, resealed: Resealed) -> int:
    """The rows, the count and the lease move together. Returns how many rows."""
    walk.note(column, resealed.bad)
    rotation = walk.rotation
    with transaction.atomic():
        _write(rotation)  # first: it keeps whoever has lost the lease from the rows, and two from each other
        moved = _swap(column, resealed.fresh, rotation.target)
        progress = {"attempts": 0} if moved else {}
        _write(rotation, done_n=rotation.done_n + moved, failed_n=len(walk.bad), **progress)
    walk.told(rotation)
    return moved


def _swap(column: SealedColumn, fresh: list[Fresh], target: str) -> int:
    """Compare and set, in one statement: a row that somebody else has written meanwhile stays as it is."""
    if not fresh:
        return 0
    quote = connection.ops.quote_name
    table, field = quote(column.model._meta.db_table), quote(column.field)
    held, anew = f"row.{field}", "fresh.now"
    if column.key:
        held = f"row.{field} ->> '{column.key}'"
        anew = f"jsonb_set(row.{field}, '{{{column.key}}}', to_jsonb(fresh.now))"
    key_id = f", {quote(column.key_id_field)} = %(target)s" if column.key_id_field else ""
    with psycopg.Cursor(connection.connection) as cursor:  # Django's own writes megabytes of quoted text instead
        cursor.execute(
            f"""
            UPDATE {table} AS row SET {field} = {anew}{key_id}
            FROM unnest(
                %(ids)s::bigint[], string_to_array(%(was)s, %(gap)s), string_to_array(%(now)s, %(gap)s)
            ) AS fresh (id, was, now)
            WHERE row.id = fresh.id AND {held} = fresh.was
            """,  # noqa: S608 - names of our own columns
            {
                "ids": [each.pk for each in fresh],
                "was": GAP.join(each.was for each in fresh),
                "now": GAP.join(each.now for each in fresh),
                "gap": GAP,
                "target": target,
            },
        )
        return int(cursor.rowcount)


def _verify(walk: Walk) -> None:
    for column in sealed.columns():
        for batch in column.batches(walk.size):
            bad = {}
            for row in batch:
                try:
                    encryption.open_sealed(row.blob, keyring=walk.ring, context=row.context)
                except VaultError as exc:
                    bad[row.pk] = (exc, row.context)
            walk.note(column, bad)
            opened = walk.rotation.done_n + len(batch) - len(bad)
            _write(walk.rotation, done_n=opened, failed_n=len(walk.bad), attempts=0)
            walk.told(walk.rotation)


def _end(walk: Walk, *, failed_n: int) -> None:
    rotation = walk.rotation
    kinds = Counter(walk.bad.values())
    kinds["key_missing"] += failed_n - kinds.total()
    counts = {kind: number for kind, number in sorted(kinds.items()) if number > 0}
    with transaction.atomic():
        if not rotation.settle(
            status=Status.DONE, ended_at=Now(), failed_n=failed_n, error_detail=_in_words(counts), attempts=0
        ):
            raise LeaseLost
        audit.record(
            f"vaultrotation.{rotation.kind}_ended",
            rotation,
            actor=rotation.started_by,
            level=AuditEntry.Level.SECURITY,
            outcome=AuditEntry.Outcome.FAILURE if failed_n else AuditEntry.Outcome.SUCCESS,
            target=rotation.target,
            done=rotation.done_n,
            failed=counts,
        )
    log.info("rotation_ended", kind=rotation.kind, kid=rotation.target, done=rotation.done_n, failed=failed_n)


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in counts.items())


def _pause(rotation: VaultRotation) -> None:
    """Its time is used up and there is more: another worker, or this one, takes the next slice."""
    if rotation.settle(status=Status.QUEUED, attempts=0, next_attempt_at=Now()):
        bell.ring(bell.ROTATE_KEYS, rotation.pk)


def _put_off(rotation: VaultRotation, code: str, words: str) -> None:
    later = Now() + seconds(timing().rotation_retry_s)
    rotation.settle(
        status=Status.QUEUED, attempts=0, next_attempt_at=later, error_code=code[:40], error_detail=words[:500]
    )


def _write(rotation: VaultRotation, **fields: object) -> None:
    """A guarded write, and a heartbeat with it."""
    if not rotation.write(lease_until=Now() + rotation.lease(), **fields):
        raise LeaseLost


def _one_active(kind: str, target: str, by: User | None) -> VaultRotation:
    """The database lets one of a kind be under way: who comes second gets the first one's."""
    try:
        with transaction.atomic():
            return VaultRotation.objects.create(kind=kind, target=target, started_by=by)
    except IntegrityError:
        return VaultRotation.objects.filter(kind=kind, status__in=ACTIVE).latest("pk")


def _lasting() -> list[SealedColumn]:
    return [column for column in sealed.columns() if column.is_lasting]
