from datetime import date
from typing import Any, Self

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from integrations.models.connection import Connection
from integrations.models.leases import Leased, LeasedQuerySet, lease_checks, lease_indexes
from integrations.models.provider import Provider
from integrations.tracing import current_trace_id, new_trace_id


class Resource(models.TextChoices):
    WORKOUTS = "workouts", _("Workouts")
    ACTIVITIES = "activities", _("Activities")


class SyncStreamQuerySet(models.QuerySet["SyncStream"]):
    def allowed(self, *, anew: bool = True) -> Self:
        """Streams whose provider may be called for them.

        `anew`: to begin with; maintenance that drains lets what has begun finish.
        """
        switch = Provider.objects.may_begin if anew else Provider.objects.may_call
        return self.filter(
            enabled=True, connection__status=Connection.Status.ACTIVE, connection__provider__in=switch("sync")
        )

    def due(self) -> Self:
        """Streams whose time has come and that may run."""
        return self.allowed().filter(next_run_at__lte=Now())

    def idle(self) -> Self:
        """Streams that may run and have no run that waits or is under way."""
        return self.allowed().filter(~Exists(SyncJob.objects.active().filter(stream=OuterRef("pk"))))

    def queue_due(self, size: int) -> list[int]:
        """Queue a job for each due stream that has none, and return the jobs' ids. Safe in parallel: one job each."""
        idle = self.due().filter(~Exists(SyncJob.objects.active().filter(stream=OuterRef("pk"))))
        with transaction.atomic():
            locked = idle.select_for_update(skip_locked=True, of=("self",), no_key=True)
            streams = list(locked.order_by("next_run_at", "pk").values_list("pk", flat=True)[:size])
            SyncJob.objects.bulk_create([SyncJob.new(pk) for pk in streams], ignore_conflicts=True)
        return list(SyncJob.objects.active().filter(stream__in=streams).values_list("pk", flat=True))


class SyncStream(models.Model):
    """One kind of thing of one connection, kept in step. `cursor_version` fences the pages of a lost run."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="streams")
    resource = models.CharField(max_length=24, choices=Resource)
    enabled = models.BooleanField(default=True)
    interval_s = models.PositiveIntegerField(default=3600)
    overlap_s = models.PositiveIntegerField(default=0)
    cursor = models.JSONField(default=dict, blank=True)
    cursor_version = models.PositiveIntegerField(default=0)
    generation = models.PositiveIntegerField(default=0)
    sweep_held_generation = models.PositiveIntegerField(null=True, blank=True)
    sweep_held_n = models.PositiveIntegerField(null=True, blank=True)
    sweep_approved_n = models.PositiveIntegerField(null=True, blank=True)  # the next full pass may mark that many
    next_run_at = models.DateTimeField(db_default=Now())
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    last_new_item_at = models.DateTimeField(null=True, blank=True)
    last_full_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0)
    next_reconcile_at = models.DateTimeField(null=True, blank=True)  # None: never held against the provider's ids
    silent_since = models.DateField(null=True, blank=True)  # the last day of which we have anything, while it is odd
    silence_told_at = models.DateTimeField(null=True, blank=True)

    objects = SyncStreamQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "resource"], name="syncstream_once"),
            models.CheckConstraint(
                condition=Q(interval_s__gte=300, interval_s__lte=604800), name="syncstream_interval"
            ),
            models.CheckConstraint(
                condition=Q(sweep_held_generation=None, sweep_held_n=None)
                | Q(sweep_held_generation__isnull=False, sweep_held_n__isnull=False),
                name="syncstream_brake_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["next_run_at"], condition=Q(enabled=True), name="syncstream_due"),
            models.Index(fields=["next_reconcile_at"], condition=Q(enabled=True), name="syncstream_reconcile"),
        ]

    def __str__(self) -> str:
        return f"{self.resource} of {self.connection}"

    @property
    def latest_job(self) -> "SyncJob | None":
        return self.jobs.order_by("-pk").first()


class SyncJobQuerySet(LeasedQuerySet["SyncJob"]):
    def active(self) -> Self:
        return self.filter(status__in=SyncJob.ACTIVE)

    def unheard(self) -> Self:
        """Due jobs that may run and that no worker has taken yet, oldest first."""
        runnable = SyncStream.objects.allowed().filter(pk=OuterRef("stream"))
        return self.due().filter(Exists(runnable)).order_by("next_attempt_at", "pk")

    def queue(self, job: "SyncJob") -> bool:
        """Save a new job. False: another one of its stream waits or is under way, and nothing was saved."""
        try:
            with transaction.atomic():
                job.save(force_insert=True)
        except IntegrityError:
            return False
        return True

    def cancel(self) -> int:
        """End what is not over yet; a worker notices at its next page, by the lost lease. Returns how many."""
        return self.active().update(
            status=SyncJob.Status.CANCELLED, finished_at=Now(), lease_token=None, lease_until=None
        )


class SyncJob(Leased):
    """One run of a stream."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule"
        MANUAL = "manual"
        WEBHOOK = "webhook"
        DELIVERY = "delivery"

    class Mode(models.TextChoices):
        INCREMENTAL = "incremental"
        FULL = "full"
        BACKFILL = "backfill", "One window of the history"
        RECONCILE = "reconcile", "Comparison of ids"

    DUE = (Status.QUEUED,)
    WORKING = Status.RUNNING
    LEASE = "sync_lease_s"
    ACTIVE = (Status.QUEUED, Status.RUNNING)

    stream = models.ForeignKey(SyncStream, models.CASCADE, related_name="jobs")
    trigger = models.CharField(max_length=10, choices=Trigger, default=Trigger.SCHEDULE)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    mode = models.CharField(max_length=12, choices=Mode, default=Mode.FULL)
    since = models.DateField(null=True, blank=True)  # the local days that are read; None: from the beginning
    until = models.DateField(null=True, blank=True)  # None: up to now
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    cursor_from = models.JSONField(null=True, blank=True)
    cursor_to = models.JSONField(null=True, blank=True)
    expected = models.PositiveIntegerField(null=True, blank=True)
    pages = models.PositiveIntegerField(default=0)
    created_n = models.PositiveIntegerField(default=0)
    updated_n = models.PositiveIntegerField(default=0)
    unchanged_n = models.PositiveIntegerField(default=0)
    deleted_n = models.PositiveIntegerField(default=0)
    bad_n = models.PositiveIntegerField(default=0)
    bad_samples = models.JSONField(default=list, blank=True)  # [{"id", "reason"}], at most ten
    calls = models.PositiveIntegerField(default=0)
    reaped = models.PositiveSmallIntegerField(default=0)
    trace_id = models.CharField(max_length=32, blank=True)

    objects: SyncJobQuerySet = SyncJobQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            *lease_checks("syncjob"),
            models.UniqueConstraint(
                fields=["stream"], condition=Q(status__in=["queued", "running"]), name="syncjob_one_active"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["queued", "running"], finished_at=None)
                | Q(status__in=["succeeded", "failed", "cancelled"], finished_at__isnull=False),
                name="syncjob_finished_when_over",
            ),
        ]
        indexes = [
            *lease_indexes("syncjob", ["queued"], ["running"]),
            models.Index(fields=["stream", "-id"], name="syncjob_of_stream"),
            models.Index(fields=["status", "-id"], name="syncjob_by_status"),
        ]

    def __str__(self) -> str:
        return f"sync job {self.pk}"

    @classmethod
    def new(cls, stream_id: int, trigger: str = Trigger.SCHEDULE, by: User | None = None, **fields: Any) -> Self:
        """A job that is due now, not saved."""
        trace_id = current_trace_id() or new_trace_id()
        return cls(stream_id=stream_id, trigger=trigger, requested_by=by, trace_id=trace_id, **fields)

    @property
    def is_regular(self) -> bool:
        """Whether it moves the stream's own clock; windows of the history and comparisons go on beside that."""
        return self.mode in {self.Mode.INCREMENTAL, self.Mode.FULL}

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE

    @property
    def seen(self) -> int:
        return self.created_n + self.updated_n + self.unchanged_n + self.bad_n

    @property
    def percent(self) -> int | None:
        """How far it is, 0 to 100, or None while the provider has not told how much there is."""
        if not self.expected:
            return None
        return min(100, round(100 * self.seen / self.expected))


class BackfillWindowQuerySet(models.QuerySet["BackfillWindow"]):
    def waiting(self) -> Self:
        return self.filter(status=BackfillWindow.Status.WAITING)

    def open(self) -> Self:
        return self.filter(status__in=BackfillWindow.OPEN)

    def touching(self, first: date, last: date) -> Self:
        """Windows that have a day in common with those days."""
        return self.filter(starts_on__lte=last, ends_on__gte=first)


class BackfillWindow(models.Model):
    """A part of an athlete's history that is to be read, or was: the progress of a backfill is these rows."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    OPEN = (Status.WAITING, Status.RUNNING)

    stream = models.ForeignKey(SyncStream, models.CASCADE, related_name="windows")
    starts_on = models.DateField()
    ends_on = models.DateField()
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    job = models.ForeignKey(SyncJob, models.SET_NULL, null=True, blank=True, related_name="windows")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    asked_at = models.DateTimeField(null=True, blank=True)  # where the provider sends what we ask for, and only once
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = BackfillWindowQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(starts_on__lte=F("ends_on")), name="backfillwindow_in_order"),
            models.UniqueConstraint(
                fields=["stream", "starts_on"],
                condition=Q(status__in=["waiting", "running"]),
                name="backfillwindow_open_once",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["waiting", "running"], finished_at=None)
                | Q(status__in=["done", "failed", "cancelled"], finished_at__isnull=False),
                name="backfillwindow_finished_when_over",
            ),
        ]
        indexes = [
            models.Index(fields=["stream", "-starts_on"], condition=Q(status="waiting"), name="backfillwindow_waiting"),
            models.Index(fields=["stream", "-id"], name="backfillwindow_of_stream"),
        ]

    def __str__(self) -> str:
        return f"{self.starts_on} to {self.ends_on}"


class Reconciliation(models.Model):
    """What a comparison of a stream's ids with the provider's found. Nothing is changed by looking."""

    stream = models.ForeignKey(SyncStream, models.CASCADE, related_name="reconciliations")
    job = models.OneToOneField(SyncJob, models.CASCADE, related_name="reconciliation")
    since = models.DateField(null=True, blank=True)
    there_n = models.PositiveIntegerField()
    here_n = models.PositiveIntegerField()
    lacking_n = models.PositiveIntegerField()
    changed_n = models.PositiveIntegerField()
    gone_n = models.PositiveIntegerField()
    samples = models.JSONField(default=dict, blank=True)  # at most ten ids each of "lacking", "changed", "gone"
    repaired_by = models.ForeignKey(SyncJob, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["stream", "-id"], name="reconciliation_of_stream")]

    def __str__(self) -> str:
        return f"comparison {self.pk}"

    @property
    def is_even(self) -> bool:
        """Nothing to repair."""
        return not (self.lacking_n or self.changed_n or self.gone_n)
