"""Work that waits or repeats itself. Rows are claimed; a message that is lost, late or doubled does no harm."""

from celery import shared_task

from coaching import mailing
from coaching.models import Delivery, Upload
from coaching.services import detailing, parsing, purging, reconciling, sending, silence
from integrations import bell, ticks

MOST_A_TICK = 500


@shared_task(ignore_result=True)
def deliver(delivery_id: int) -> None:
    sending.deliver(delivery_id)


@shared_task(ignore_result=True)
def recheck(delivery_id: int) -> None:
    reconciling.recheck(delivery_id)


@shared_task(ignore_result=True)
def remove_copy(delivery_id: int) -> None:
    reconciling.remove(delivery_id)


@shared_task(ignore_result=True)
def tick_deliveries() -> None:
    """Tidy up, then wake what is due."""
    ticks.record("tick_deliveries", reconciling.sweep)
    for task, due in (
        (deliver, Delivery.objects.due()),
        (recheck, Delivery.objects.uncollected()),
        (remove_copy, Delivery.objects.removable()),
    ):
        for pk in due.values_list("pk", flat=True)[:MOST_A_TICK]:
            bell.ring(task, pk)


@shared_task(ignore_result=True)
def read_details(activity_id: int, viewer_id: int) -> None:
    """Safe to run twice: what is there is not read again."""
    detailing.read(activity_id, viewer_id)


@shared_task(ignore_result=True)
def fetch_original(activity_id: int, athlete_id: int) -> None:
    """Safe to run twice: the same file lies ready again."""
    detailing.fetch_original(activity_id, athlete_id)


@shared_task(ignore_result=True)
def read_upload(upload_id: int) -> None:
    """Safe to run twice: only the run that claims the upload reads it."""
    parsing.read(upload_id)


@shared_task(ignore_result=True)
def tick_uploads() -> None:
    """Take back what dead workers held, then wake what waits."""
    ticks.record("tick_uploads", parsing.reap)
    for pk in Upload.objects.due().order_by("next_attempt_at").values_list("pk", flat=True)[:MOST_A_TICK]:
        bell.ring(read_upload, pk)


@shared_task(ignore_result=True)
def tick_originals() -> None:
    """Files that were fetched for somebody and lay ready for long enough."""
    ticks.record("tick_originals", detailing.clear_originals)


@shared_task(ignore_result=True)
def tick_silence() -> None:
    """Tell athletes whose account is silent for longer than is usual for them."""
    ticks.record("tick_silence", silence.tell)


@shared_task(ignore_result=True)
def tick_policy() -> None:
    """Delete what providers' terms do not let us keep any longer."""
    ticks.record("tick_policy", purging.purge_expired)


@shared_task(ignore_result=True)
def tick_notifications() -> None:
    ticks.record("tick_notifications", mailing.send_due)
