"""What a request becomes: a row and an answer, or an answer alone."""

from django.utils import timezone

from integrations.models import SyncStream
from tests.webhooks.wire import Sender, body_of
from webhooks.models import WebhookEvent
from webhooks.services import processing


def test_a_signed_event_makes_the_stream_due(sender: Sender, stream: SyncStream) -> None:
    before = timezone.now()
    answer = sender.send()
    assert (answer.status, answer.said["status"]) == (200, "accepted")
    row = WebhookEvent.objects.get()
    assert str(row.public_id) == answer.said["id"]
    assert bytes(row.body or b"") == body_of()
    assert processing.process_due() == 1
    row.refresh_from_db()
    assert (row.status, row.reason, row.connection_id) == ("processed", "", stream.connection_id)
    stream.refresh_from_db()
    assert 5 < (stream.next_run_at - before).total_seconds() < 60
