"""The history before an account was connected: read window by window, the newest first, beside the regular runs.

The windows are rows. A worker that dies half-way loses its window's progress and nothing else; a cancelled window is
not read; what was read stays.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit
from accounts.models import User
from integrations import bell, registry
from integrations.models import BackfillWindow, Resource, SyncJob, SyncStream
from integrations.services import reading, scheduling
from integrations.spec import SendsHistory

DAY = timedelta(days=1)
WINDOW = timedelta(days=30)
DEPTH = timedelta(days=365)  # of what is read without anybody asking for more
FURTHEST = timedelta(days=15 * 366)
MOST_A_TICK = 200
Status = BackfillWindow.Status


def is_once_only(stream: SyncStream) -> bool:
    """Whether the provider sends a part of the history by itself when it is asked for it, and only once."""
    return issubclass(registry.adapter_class(stream.connection.provider.slug), SendsHistory)


@transaction.atomic
def start(stream: SyncStream, first: date, last: date | None = None, *, by: User | None = None) -> int:
    """Have the days `first` to `last` read; without `last`, up to what the regular runs read. Returns how many windows.

    Windows that wait already are not doubled. Where a provider answers once only, days that it was asked for are out.
    """
    SyncStream.objects.select_for_update(no_key=True).get(pk=stream.pk)
    today = timezone.now().date()
    last = min(last or today - reading.REREAD, today)
    first = max(reading.allowed_since(stream, first), today - FURTHEST)
    asked = stream.windows.exclude(asked_at=None) if is_once_only(stream) else stream.windows.none()
    taken = (stream.windows.open() | asked).order_by("-ends_on").values_list("starts_on", "ends_on")
    free = [window for gap in _gaps(first, last, taken) for window in _windows(*gap)]
    rows = [BackfillWindow(stream=stream, starts_on=a, ends_on=b, requested_by=by) for a, b in free]
    BackfillWindow.objects.bulk_create(rows)
    if rows and by:
        audit.record("backfill.started", stream, actor=by, windows=len(rows), first=str(first), last=str(last))
    return len(rows)


def begin(stream: SyncStream) -> int:
    """For a fresh connection: as much of the past as people look at. Safe to run twice: once there is any, no more."""
    if stream.resource != Resource.ACTIVITIES or stream.windows.exists():
        return 0
    return start(stream, timezone.now().date() - DEPTH)


@transaction.atomic
def cancel(window: BackfillWindow, *, by: User, reason: str = "") -> bool:
    """Do not read it, or stop reading it. False: it is over."""
    open_ = BackfillWindow.objects.open().filter(pk=window.pk)
    if not open_.update(status=Status.CANCELLED, finished_at=Now()):
        return False
    SyncJob.objects.filter(windows=window, mode=SyncJob.Mode.BACKFILL).cancel()
    audit.record("backfill.cancelled", window, actor=by, reason=reason)
    return True


def queue_due() -> int:
    """One window for each stream that has some and nothing else to do; ring for them. Returns how many."""
    _settle_abandoned()
    has_some = Exists(BackfillWindow.objects.waiting().filter(stream=OuterRef("pk")))
    ready = SyncStream.objects.idle().filter(has_some, next_run_at__gt=Now())
    with transaction.atomic():
        locked = ready.select_for_update(skip_locked=True, of=("self",), no_key=True)
        return sum(_queue(stream) for stream in locked.order_by("pk")[:MOST_A_TICK])


def go_on(stream: SyncStream) -> None:
    """The stream's run ended just now: what was asked for meanwhile, else the next window. In its transaction."""
    idle = SyncStream.objects.idle().filter(pk=stream.pk)
    if idle.filter(next_run_at__lte=Now()).exists():
        scheduling.request_sync(stream, trigger=SyncJob.Trigger.SCHEDULE)
    elif idle.exists():
        _queue(stream)


def close(job: SyncJob, stream: SyncStream, status: str) -> None:
    """The run of a window ended."""
    asked = {"asked_at": Now()} if status == Status.DONE and is_once_only(stream) else {}
    BackfillWindow.objects.open().filter(job=job).update(status=status, finished_at=Now(), **asked)


def _queue(stream: SyncStream) -> bool:
    window = stream.windows.waiting().order_by("-starts_on").first()
    if window is None:
        return False
    job = SyncJob.new(
        stream.pk, by=window.requested_by, mode=SyncJob.Mode.BACKFILL, since=window.starts_on, until=window.ends_on
    )
    if not SyncJob.objects.queue(job):
        return False
    BackfillWindow.objects.filter(pk=window.pk).update(status=Status.RUNNING, job=job)
    bell.ring(bell.RUN_SYNC, job.pk)
    return True


def _settle_abandoned() -> None:
    """Windows whose run was cancelled, by a person or since the account went, are not read."""
    abandoned = BackfillWindow.objects.filter(status=Status.RUNNING, job__status=SyncJob.Status.CANCELLED)
    BackfillWindow.objects.filter(pk__in=abandoned.values("pk")).update(status=Status.CANCELLED, finished_at=Now())


def _windows(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The newest first, each of thirty days at most."""
    while last >= first:
        begins = max(first, last - WINDOW + timedelta(days=1))
        yield begins, last
        last = begins - DAY


def _gaps(first: date, last: date, taken: Iterable[tuple[date, date]]) -> Iterator[tuple[date, date]]:
    """The days that no window of `taken`, latest first, has; the latest first."""
    for starts_on, ends_on in taken:
        if ends_on < last:
            yield max(first, ends_on + DAY), last
        last = min(last, starts_on - DAY)
    yield first, last
