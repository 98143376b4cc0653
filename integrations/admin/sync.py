from collections.abc import Callable
from datetime import timedelta

from django.contrib import admin
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from accounts.operations import Operation, OperationsAdmin, WordsFilter
from integrations.models import BackfillWindow, Reconciliation, Resource, SyncJob, SyncStream
from integrations.services import backfilling, reconciling, scheduling


def _run(stream: SyncStream, actor: User, _: str) -> bool:
    if not SyncStream.objects.allowed().filter(pk=stream.pk).exists():
        return False
    scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL, by=actor)
    return True


def _approve(stream: SyncStream, actor: User, reason: str) -> bool:
    return scheduling.approve_sweep(stream, by=actor, reason=reason) is not None


def _backfill(depth: timedelta) -> Callable[[SyncStream, User, str], bool]:
    def start(stream: SyncStream, actor: User, _: str) -> bool:
        first = timezone.now().date() - depth
        return stream.resource == Resource.ACTIVITIES and bool(backfilling.start(stream, first, by=actor))

    return start


def _compare(stream: SyncStream, actor: User, _: str) -> bool:
    return stream.resource == Resource.ACTIVITIES and reconciling.look(stream, by=actor)


def _stop(stream: SyncStream, _: User, __: str) -> bool:
    return bool(SyncStream.objects.filter(pk=stream.pk, enabled=True).update(enabled=False))


def _start(stream: SyncStream, _: User, __: str) -> bool:
    stopped = SyncStream.objects.filter(pk=stream.pk, enabled=False)
    return bool(stopped.update(enabled=True, next_run_at=Now(), failures=0))


@admin.register(SyncStream)
class SyncStreamAdmin(OperationsAdmin):
    list_display = ("connection", "resource", "enabled", "next_run_at", "last_success_at", "failures", "sweep_held_n")
    list_select_related = ("connection__user", "connection__provider")
    list_filter = ("resource", "enabled", "connection__provider", ("sweep_held_n", admin.EmptyFieldListFilter))
    linkable = ("connection",)
    search_fields = ("=connection__user__email", "=connection__public_id")
    ordering = ("-pk",)
    fields = (
        "connection",
        "resource",
        "enabled",
        "interval_s",
        "next_run_at",
        "last_attempt_at",
        "last_success_at",
        "last_new_item_at",
        "last_full_at",
        "next_reconcile_at",
        ("silent_since", "silence_told_at"),
        "failures",
        "generation",
        "cursor",
        "cursor_version",
        "sweep_held_generation",
        "sweep_held_n",
        "sweep_approved_n",
    )
    operations = (
        Operation("run_now", "Run now", "A run is due at once; one that is under way is left alone.", _run),
        Operation(
            "read_year",
            "Read the past year",
            "Window by window, beside the regular runs. Where the provider sends its past once only, what it was asked "
            "for is left out.",
            _backfill(timedelta(days=365)),
        ),
        Operation(
            "read_all",
            "Read the whole past",
            "Fifteen years, window by window. It takes hours and many calls; the windows can be cancelled.",
            _backfill(backfilling.FURTHEST),
            is_dangerous=True,
        ),
        Operation(
            "compare",
            "Compare with the provider",
            "Looks only: the report says what differs, and the next run repairs it.",
            _compare,
        ),
        Operation(
            "approve_sweep",
            "Approve the held deletion",
            "Much was missing at the provider, so nothing was marked. The next full pass may mark as many as were "
            "held; what is back by then stays.",
            _approve,
            is_dangerous=True,
        ),
        Operation("stop", "Stop the stream", "It is not due any more until it is started.", _stop),
        Operation("start", "Start the stream", "It is due now and then at its interval.", _start),
    )


def _cancel(job: SyncJob, actor: User, reason: str) -> bool:
    return scheduling.cancel(job, by=actor, reason=reason)


def _release(job: SyncJob, actor: User, reason: str) -> bool:
    return scheduling.release(job, by=actor, reason=reason)


@admin.register(SyncJob)
class SyncJobAdmin(OperationsAdmin):
    list_display = ("id", "stream", "status", "error_code", "progress", "changes", "started_at")
    list_select_related = ("stream__connection__user", "stream__connection__provider")
    list_filter = (
        "status",
        "mode",
        "trigger",
        "stream__resource",
        "stream__connection__provider",
        ("error_code", WordsFilter),
    )
    linkable = ("stream", "stream__connection")
    search_fields = ("=stream__connection__user__email", "=trace_id")
    search_help_text = "The person's email or a trace id."
    ordering = ("-pk",)
    fields = (
        ("stream", "trigger", "requested_by"),
        ("status", "mode", "progress"),
        ("since", "until"),
        ("created_at", "started_at", "heartbeat_at", "finished_at"),
        ("pages", "expected", "calls"),
        ("created_n", "updated_n", "unchanged_n", "deleted_n", "bad_n"),
        "bad_samples",
        ("cursor_from", "cursor_to"),
        ("attempts", "crashes", "reaped"),
        ("next_attempt_at", "lease_until"),
        ("error_code", "error_detail"),
        "trace_id",
    )
    readonly_fields = ("progress", "created_at", "lease_until")
    operations = (
        Operation("cancel", "Cancel", "The run ends; its stream runs again when its interval is over.", _cancel),
        Operation(
            "release",
            "Release a stuck run",
            "Another run begins at once. Its former worker, should it still live, changes nothing any more.",
            _release,
        ),
    )

    @admin.display(description="progress")
    def progress(self, job: SyncJob) -> str:
        return f"{job.seen} of {job.expected}" if job.expected else str(job.seen)

    @admin.display(description="new/changed/gone/bad")
    def changes(self, job: SyncJob) -> str:
        return f"{job.created_n}/{job.updated_n}/{job.deleted_n}/{job.bad_n}"


def _cancel_window(window: BackfillWindow, actor: User, reason: str) -> bool:
    return backfilling.cancel(window, by=actor, reason=reason)


@admin.register(BackfillWindow)
class BackfillWindowAdmin(OperationsAdmin):
    list_display = ("id", "stream", "starts_on", "ends_on", "status", "finished_at")
    list_select_related = ("stream__connection__user", "stream__connection__provider")
    list_filter = ("status", "stream__connection__provider")
    linkable = ("stream", "job")
    search_fields = ("=stream__connection__user__email",)
    search_help_text = "The person's email."
    ordering = ("-pk",)
    fields = (
        "stream",
        ("starts_on", "ends_on"),
        ("status", "finished_at"),
        "job",
        ("requested_by", "created_at"),
        "asked_at",
    )
    operations = (
        Operation(
            "cancel", "Cancel", "The window is not read, or not to its end; what was read stays.", _cancel_window
        ),
    )


@admin.register(Reconciliation)
class ReconciliationAdmin(OperationsAdmin):
    list_display = ("id", "stream", "there_n", "here_n", "lacking_n", "changed_n", "gone_n", "created_at")
    list_select_related = ("stream__connection__user", "stream__connection__provider")
    list_filter = ("stream__connection__provider",)
    linkable = ("stream", "job", "repaired_by")
    search_fields = ("=stream__connection__user__email",)
    search_help_text = "The person's email."
    ordering = ("-pk",)
    fields = (
        "stream",
        ("job", "since", "created_at"),
        ("there_n", "here_n"),
        ("lacking_n", "changed_n", "gone_n"),
        "samples",
        "repaired_by",
    )
