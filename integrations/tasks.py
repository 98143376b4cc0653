"""Thin doors to the services: a task carries ids, the service claims the row. Doubled, late or lost, none does harm."""

from celery import shared_task

from integrations import bell, credentials, events, ticks, vault
from integrations.models import Connection, ConnectSession, Credential, SyncJob, SyncStream, VaultRotation
from integrations.services import (
    activating,
    backfilling,
    confirming,
    logging_in,
    looking,
    reaping,
    reconciling,
    replaying,
    revoking,
    rotating,
    self_testing,
    syncing,
)

MOST_QUEUED = 1_000  # streams a tick
MOST_RUNG = 200  # jobs a tick


@shared_task(ignore_result=True)
def log_in(session_id: int) -> None:
    """Safe to run twice: a login happens once."""
    logging_in.work(session_id)


@shared_task(ignore_result=True)
def submit_code(session_id: int) -> None:
    """Safe to run twice: a code is tried once."""
    logging_in.check_code(session_id)


@shared_task(ignore_result=True)
def say_goodbye(connection_id: int) -> None:
    """Safe to run twice: one run ends the login."""
    revoking.say_goodbye(connection_id)


@shared_task(ignore_result=True)
def check_connection(connection_id: int) -> None:
    """Safe to run twice."""
    activating.check(connection_id)


@shared_task(ignore_result=True)
def confirm_connection(connection_id: int) -> None:
    """Safe to run twice."""
    confirming.confirm(connection_id)


@shared_task(ignore_result=True)
def tick_doubts() -> None:
    """For those whose bell got lost, and those whose provider could not be asked."""
    doubted = list(Connection.objects.doubted().values_list("pk", flat=True)[:MOST_RUNG])
    for connection_id in doubted:
        bell.ring(confirm_connection, connection_id)
    ticks.record("tick_doubts", lambda: len(doubted))


@shared_task(ignore_result=True)
def tick_connect_sessions() -> None:
    """End what nobody acts on; ring again for what no worker has heard of."""
    ticks.record("tick_connect_sessions", logging_in.tidy)
    for session in ConnectSession.objects.unheard():
        bell.ring(submit_code if session.status == ConnectSession.Status.CHECKING else log_in, session.pk)
    for connection in Connection.objects.unheard():
        bell.ring(check_connection, connection.pk)
    for connection_id in Credential.objects.left_over():
        bell.ring(say_goodbye, connection_id)


@shared_task(ignore_result=True)
def renew_credential(credential_id: int) -> None:
    """Safe to run twice: one renewal per version."""
    credentials.renew_now(credential_id)


@shared_task(ignore_result=True)
def self_test(report_id: int) -> None:
    """Safe to run twice: a report is filled once."""
    self_testing.run(report_id)


@shared_task(ignore_result=True)
def tick_health() -> None:
    """Look at the providers that nobody has called for a while."""
    ticks.record("tick_health", looking.look_at_quiet)


@shared_task(ignore_result=True)
def tick_credentials() -> None:
    """Renew what ends soon before anybody needs it."""
    ticks.record("tick_credentials", lambda: credentials.renew_due(limit=100))


@shared_task(ignore_result=True)
def run_sync(job_id: int) -> None:
    """Safe to run twice: only the run that claims the job works on it."""
    syncing.run(job_id)


@shared_task(ignore_result=True)
def dispatch_events() -> None:
    """One batch; a full one rings for the next."""
    if events.dispatch_due() == events.BATCH:
        bell.ring(dispatch_events)


@shared_task(ignore_result=True)
def tick_streams() -> None:
    """Queue what is due, and ring for it."""
    ticks.record("tick_streams", lambda: _ring(SyncStream.objects.queue_due(MOST_QUEUED)))


@shared_task(ignore_result=True)
def tick_jobs() -> None:
    """Ring for jobs whose delay is over, and for those whose bell got lost."""
    due = SyncJob.objects.unheard().values_list("pk", flat=True)
    ticks.record("tick_jobs", lambda: _ring(list(due[:MOST_RUNG])))


@shared_task(ignore_result=True)
def tick_history() -> None:
    """Go on with windows of the past, and with the comparisons of this night."""
    ticks.record("tick_history", lambda: backfilling.queue_due() + reconciling.queue_due())


@shared_task(ignore_result=True)
def tick_events() -> None:
    """For events whose bell got lost, and those whose delay is over."""
    ticks.record("tick_events", events.dispatch_due)


@shared_task(ignore_result=True)
def tick_old_events() -> None:
    """Delete events that are over for long."""
    ticks.record("tick_old_events", replaying.tidy)


@shared_task(ignore_result=True)
def tick_reaper() -> None:
    """Take work from workers that went silent."""
    ticks.record("tick_reaper", reaping.reap)


@shared_task(ignore_result=True)
def rotate_keys(rotation_id: int) -> None:
    """Safe to run twice: only the run that claims the rotation works on it."""
    rotating.run(rotation_id)


@shared_task(ignore_result=True)
def tick_rotations() -> None:
    """Write down this worker's first key, and ring for rotations that wait."""
    due = list(VaultRotation.objects.due().values_list("pk", flat=True))
    for rotation_id in due:
        bell.ring(rotate_keys, rotation_id)
    ticks.record("tick_rotations", lambda: len(due))
    vault.sealing_ring()


def _ring(job_ids: list[int]) -> int:
    for job_id in job_ids:
        bell.ring(run_sync, job_id)
    return len(job_ids)
