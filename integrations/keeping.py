"""How long rows of the engine are kept."""

from datetime import timedelta

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from accounts import retention
from accounts.retention import Rule
from integrations.models import ConnectSession, SyncJob

RUNS, LOGINS = timedelta(days=90), timedelta(days=30)


def _old_runs() -> QuerySet[SyncJob]:
    """The newest of each stream stays: it says when the last one was."""
    newer = SyncJob.objects.filter(stream=OuterRef("stream"), pk__gt=OuterRef("pk"))
    return SyncJob.objects.filter(Exists(newer), finished_at__lt=Now() - RUNS)


def _old_logins() -> QuerySet[ConnectSession]:
    return ConnectSession.objects.filter(expires_at__lt=Now() - LOGINS).exclude(consumed_at=None)


retention.register(
    Rule("Sync runs", f"{RUNS.days} days, and the newest of each stream", retention.in_batches(_old_runs)),
    Rule("Logins at providers, finished", f"{LOGINS.days} days", retention.in_batches(_old_logins)),
    Rule("Events, done", "30 days"),
)
