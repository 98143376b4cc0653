"""One face for all providers: adapter → translator → validator, with the renewal of a login that ran out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEntry
from integrations import credentials, errors, registry
from integrations.gateways import gateway_for
from integrations.models import Connection
from integrations.records import (
    MARKER,
    AccountRecord,
    ActivityRecord,
    DetailsRecord,
    Problem,
    WorkoutRecord,
    WorkoutSummary,
)
from integrations.spec import Adapter, Raw, RawPage, SendsHistory

READS_A_PAGE = 10  # full reads between two commits
MOST_PAGES = 1000
MOST_NEWEST_PAGES = 50
CLOCKS_DIFFER = timedelta(hours=1)
FOREIGN = "connection.foreign_item"
STAMP_EVERY = timedelta(minutes=1)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BadItem:
    """An item that was set aside, and why."""

    external_id: str
    reason: str


@dataclass(slots=True)
class Page[R]:
    """Part of a listing: what was read, what is known to be unchanged, what we put there ourselves, what was bad."""

    records: list[R] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    ours: int = 0
    bad: list[BadItem] = field(default_factory=list)
    total: int | None = None


WorkoutPage = Page[WorkoutRecord]
ActivityPage = Page[ActivityRecord]


def client_for(connection: Connection, *, direction: str = "") -> "ProviderClient":
    """The client of a connection. Calls happen with its credential, renewed when it has run out.

    `direction` is "connect", "sync" or "deliver", which operations may switch off; without one it is a look of theirs,
    which is let through.
    """
    return ProviderClient(connection, direction)


def unsupported(slug: str, record: WorkoutRecord) -> list[Problem]:
    """What `record` holds that the provider cannot express; without any call."""
    return registry.validator(slug).unsupported(record)


def warnings(slug: str, record: WorkoutRecord) -> list[Problem]:
    """What the provider takes, though the person's device may not; without any call."""
    return registry.validator(slug).warnings(record)


def require_own(connection: Connection, account_id: str, external_id: str) -> None:
    """Refuse what belongs to somebody else: a provider mixed two people up, and it must not reach either."""
    if account_id and account_id != connection.external_account_id:
        provider = connection.provider.slug
        log.warning("foreign_item", provider=provider, connection=str(connection.public_id), item=external_id)
        _note_foreign(connection, external_id[:64])
        raise errors.DataError("it belongs to another account", provider=provider, code="foreign")


@transaction.atomic
def _note_foreign(connection: Connection, item: str) -> None:
    """In the audit log once per item and day, however often a stream or a look meets it."""
    Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    noted = AuditEntry.objects.filter(
        action=FOREIGN,
        object_type=Connection._meta.label_lower,
        object_id=str(connection.public_id),
        at__gt=Now() - timedelta(days=1),
        data__item=item,
    )
    if not noted.exists():
        failed, level = AuditEntry.Outcome.FAILURE, AuditEntry.Level.SECURITY
        audit.record(FOREIGN, connection, outcome=failed, level=level, provider=connection.provider.slug, item=item)


def _sender(adapter: Adapter) -> SendsHistory:
    assert isinstance(adapter, SendsHistory)
    return adapter


class ProviderClient:
    """Speaks records. Not shared between threads; cheap to make."""

    def __init__(self, connection: Connection, direction: str) -> None:
        self.connection = connection
        self.calls = 0
        slug = connection.provider.slug
        self._door = gateway_for(connection.provider).facing(direction)
        self._adapter_class = registry.adapter_class(slug)
        self._translator = registry.translator(slug)
        self._validator = registry.validator(slug)

    def account(self) -> AccountRecord:
        raw = self._call(lambda adapter: adapter.account())
        return self._validator.validate_account(self._translator.to_account(raw))

    def workouts(self, known: Callable[[Sequence[str]], Mapping[str, str]]) -> Iterator[WorkoutPage]:
        """The whole listing; only what is new or changed since `known` is read in full.

        Raises DataError code "endless_listing" when the provider repeats a page or has no end.
        """
        for raw_page in self._pages(lambda adapter, start: adapter.workout_page(start)):
            summaries, page = self._sort_out(raw_page, known)
            for summary in summaries:
                self._read_into(page, summary)
                if len(page.records) >= READS_A_PAGE:
                    yield page
                    page = WorkoutPage(total=raw_page.total)
            yield page

    def workout(self, external_id: str) -> WorkoutRecord:
        raw = self._call(lambda adapter: adapter.workout(external_id))
        self._own(str(raw.get("ownerId") or ""), external_id)
        return self._validator.validate_workout(self._translator.to_workout(raw))

    def create_workout(self, record: WorkoutRecord) -> str:
        """The new workout's id. UnsupportedError before any call when the provider cannot express it."""
        raw = self._expressed(record)
        answer = self._call(lambda adapter: adapter.create_workout(raw))
        return self._translator.to_summary(answer).external_id

    def replace_workout(self, external_id: str, record: WorkoutRecord) -> None:
        raw = self._expressed(record)
        self._call(lambda adapter: adapter.replace_workout(external_id, raw))

    def delete_workout(self, external_id: str) -> None:
        """Gone afterwards; was it gone before, all the better."""
        self._call_unless_gone(lambda adapter: adapter.delete_workout(external_id))

    def has_workout(self, external_id: str) -> bool:
        """Whether it is there, readable or not."""
        return self._has(lambda adapter: adapter.workout(external_id))

    def find_marker(self, marker: str, *, name: str, since: datetime) -> list[str]:
        """Ids of the workouts created since `since` that carry our marker, oldest first.

        Looks at no more than the newest 1,000; our clock and the provider's may differ by an hour.
        """
        wanted = MARKER + marker
        found = {
            row.external_id
            for row in self._created(since - CLOCKS_DIFFER)
            if wanted in row.description or (row.name == name and wanted in self._description(row.external_id))
        }
        return sorted(found, key=lambda external_id: (len(external_id), external_id))

    def schedule(self, external_id: str, on: date) -> str:
        raw = self._call(lambda adapter: adapter.schedule(external_id, on))
        return self._translator.to_schedule(raw).external_id

    def find_schedule(self, external_id: str, on: date) -> str | None:
        """The calendar entry of this workout on this day, if there is one."""
        raw = self._call(lambda adapter: adapter.calendar(on.year, on.month))
        entries = self._translator.to_calendar(raw)
        return next((e.external_id for e in entries if e.workout_id == external_id and e.on == on), None)

    def unschedule(self, schedule_id: str) -> None:
        self._call_unless_gone(lambda adapter: adapter.unschedule(schedule_id))

    def activities(self, since: date | None, until: date | None = None) -> Iterator[ActivityPage]:
        """Activities of the local days `since` to `until`, newest first, by pages; a bad one costs itself alone.

        Some of the days around them may come along, where the provider counts days by another clock.
        """
        last = {} if until is None else {"until": until}
        for raw_page in self._pages(lambda adapter, start: adapter.activity_page(start, since=since, **last)):
            page = ActivityPage(total=raw_page.total)
            for raw in raw_page.items:
                try:
                    page.records.append(self._activity(raw))
                except errors.DataError as exc:
                    page.bad.append(BadItem(str(raw.get("activityId") or raw.get("id") or ""), exc.message))
            yield page

    def request_history(self, starts_on: date, ends_on: date) -> bool:
        """Have the provider send these days by webhook. False, without a call, where it can but be read."""
        if not issubclass(self._adapter_class, SendsHistory):
            return False
        self._call(lambda adapter: _sender(adapter).request_backfill(starts_on=starts_on, ends_on=ends_on))
        return True

    def has_activity(self, external_id: str) -> bool:
        """Whether it is there, readable or not."""
        return self._has(lambda adapter: adapter.activity(external_id))

    def activity_detail(self, external_id: str) -> DetailsRecord:
        """Laps and samples. NotFoundError where the activity is gone."""
        return self._translator.to_details(self._call(lambda adapter: adapter.activity_detail(external_id)))

    def activity_file(self, external_id: str) -> bytes:
        """What the watch recorded, as the provider hands it out: a file, or a zip of one."""
        return self._call(lambda adapter: adapter.activity_file(external_id))

    def _activity(self, raw: Raw) -> ActivityRecord:
        record = self._validator.validate_activity(self._translator.to_activity(raw))
        self._own(record.account_id, record.external_id)
        return record

    def _own(self, account_id: str, external_id: str) -> None:
        require_own(self.connection, account_id, external_id)

    def _created(self, since: datetime) -> Iterator[WorkoutSummary]:
        """The newest first, by whole pages until one reaches back before `since`."""
        pages = self._pages(lambda adapter, start: adapter.newest_workouts(start))
        for page in islice(pages, MOST_NEWEST_PAGES):
            rows = [self._translator.to_summary(raw) for raw in page.items]
            yield from rows
            if (oldest := rows[-1].created_at) and oldest < since:
                return

    def _pages(self, read: Callable[[Adapter, int], RawPage]) -> Iterator[RawPage]:
        start: int | None = 0
        seen_first: Raw | None = None
        for _ in range(MOST_PAGES):
            if start is None:
                return
            page = self._call(lambda adapter, at=start: read(adapter, at))  # type: ignore[misc]
            if not page.items:
                return
            if page.items[0] == seen_first:
                break
            seen_first = page.items[0]
            yield page
            start = page.next_start
        else:
            if start is None:
                return
        raise errors.DataError("the listing has no end", code="endless_listing")

    def _sort_out(
        self, raw_page: RawPage, known: Callable[[Sequence[str]], Mapping[str, str]]
    ) -> tuple[list[WorkoutSummary], WorkoutPage]:
        page, summaries = WorkoutPage(total=raw_page.total), []
        for raw in raw_page.items:
            try:
                summaries.append(self._translator.to_summary(raw))
            except errors.DataError as exc:
                page.bad.append(BadItem(str(raw.get("workoutId", "")), exc.message))
        versions = known([summary.external_id for summary in summaries])
        to_read = []
        for summary in summaries:
            if MARKER in summary.description:
                page.ours += 1
            elif summary.version and versions.get(summary.external_id) == summary.version:
                page.unchanged.append(summary.external_id)
            else:
                to_read.append(summary)
        return to_read, page

    def _read_into(self, page: WorkoutPage, summary: WorkoutSummary) -> None:
        try:
            record = self.workout(summary.external_id)
        except (errors.DataError, errors.NotFoundError) as exc:
            if exc.code == "provider_bad_answer":
                raise
            if not isinstance(exc, errors.NotFoundError):  # deleted since the listing: simply not there
                page.bad.append(BadItem(summary.external_id, exc.message))
            return
        if MARKER in record.description:
            page.ours += 1
        else:
            page.records.append(record.model_copy(update={"version": summary.version or record.version}))

    def _description(self, external_id: str) -> str:
        try:
            return self.workout(external_id).description
        except (errors.DataError, errors.NotFoundError):
            return ""

    def _expressed(self, record: WorkoutRecord) -> Raw:
        if problems := self._validator.unsupported(record):
            words = [problem.message for problem in problems]
            raise errors.UnsupportedError(words[0], provider=self.connection.provider.slug, context={"problems": words})
        return self._translator.from_workout(record)

    def _has(self, look: Callable[[Adapter], Any]) -> bool:
        try:
            self._call(look)
        except errors.NotFoundError:
            return False
        return True

    def _call_unless_gone(self, call: Callable[[Adapter], Any]) -> None:
        try:
            self._call(call)
        except errors.NotFoundError:
            return

    def _call[T](self, call: Callable[[Adapter], T]) -> T:
        """Do it; when the login has run out, renew it once and do it once more. A second 401 loses the connection."""
        held = credentials.usable(self.connection)
        try:
            return self._with(held, call)
        except errors.AuthenticationError as exc:
            if exc.code != errors.AuthenticationError.code:
                raise
        held = credentials.renew(self.connection, seen_version=held.version)
        try:
            return self._with(held, call)
        except errors.AuthenticationError:
            credentials.lose(self.connection, "refused_after_renewal")
            raise

    def _with[T](self, held: credentials.Held, call: Callable[[Adapter], T]) -> T:
        self.calls += 1
        answer = call(self._adapter_class(self._door, held.secrets, str(self.connection.public_id)))
        self._stamp()
        return answer

    def _stamp(self) -> None:
        """Remember that the provider answered, at most once a minute."""
        now = timezone.now()
        stale = Q(last_ok_at=None) | Q(last_ok_at__lt=now - STAMP_EVERY)
        if self.connection.last_ok_at is None or self.connection.last_ok_at < now - STAMP_EVERY:
            Connection.objects.filter(stale, pk=self.connection.pk).update(last_ok_at=now)
            self.connection.last_ok_at = now
