"""What operations may do about deliveries and messages, and what they cannot do at all."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, User
from coaching.models import CoachingLink, Delivery, DeliveryAttempt, Notification, Share, ShareStatus
from integrations.models import Connection, DomainEvent, Provider
from tests.coaching.world import easy_run, make_workout

HOUR = timedelta(hours=1)


@pytest.fixture
def delivery(link: CoachingLink, athlete: User, garmin_provider: Provider) -> Delivery:
    """One that failed."""
    target = Connection.objects.create(
        user=athlete, provider=garmin_provider, status="active", external_account_id="7", delivers=True
    )
    workout = make_workout(link.coach, easy_run("<script>alert(1)</script>"))
    revision = workout.revisions.get()
    share = Share.objects.create(link=link, workout=workout, revision=revision, status=ShareStatus.ACCEPTED)
    made = Delivery.objects.create(
        share=share, connection=target, revision=revision, status="failed", error_code="server", attempts=6
    )
    DeliveryAttempt.objects.create(delivery=made, number=1, step="create", outcome="server", http_status=503)
    return made


def run(client: Client, operation: str, row: Any) -> str:
    url = reverse(f"admin:coaching_{row._meta.model_name}_changelist")
    chosen = {"action": operation, "_selected_action": [row.pk], "confirmed": "1", "reason": "the coach wrote to us"}
    words = client.post(url, chosen, follow=True).content.decode()
    row.refresh_from_db()
    return words


def test_a_failed_delivery_is_tried_again_once(ops: Client, operator: User, delivery: Delivery) -> None:
    assert "done for 1" in run(ops, "retry", delivery)
    assert (delivery.status, delivery.attempts, delivery.error_code) == ("pending", 0, "")
    assert "did not need it" in run(ops, "retry", delivery)
    entry = AuditEntry.objects.get(action="delivery.retry")
    assert (entry.actor, entry.data["reason"]) == (operator, "the coach wrote to us")


def test_one_that_is_no_longer_wanted_is_not(ops: Client, delivery: Delivery) -> None:
    Share.objects.update(status=ShareStatus.WITHDRAWN)
    assert "may not have it" in run(ops, "retry", delivery)
    assert delivery.status == "failed"


def test_an_unknown_outcome_is_looked_for_now(ops: Client, delivery: Delivery) -> None:
    Delivery.objects.update(status="uncertain", create_sent_at=timezone.now(), next_attempt_at=timezone.now() + HOUR)
    run(ops, "look", delivery)
    assert delivery.status == "uncertain"
    assert delivery.next_attempt_at <= timezone.now()


def test_an_account_is_looked_through_once_more(ops: Client, delivery: Delivery) -> None:
    now = timezone.now()
    Delivery.objects.update(status="delivered", delivered_at=now, remote_workout_id="1", rechecked_at=now)
    run(ops, "look", delivery)
    assert Delivery.objects.uncollected().get() == delivery


def test_a_delivery_is_cancelled_and_a_delivered_one_is_left(ops: Client, delivery: Delivery) -> None:
    Delivery.objects.update(status="pending")
    run(ops, "cancel", delivery)
    assert (delivery.status, delivery.error_code) == ("cancelled", "by_operations")
    Delivery.objects.update(status="delivered", delivered_at=timezone.now(), remote_workout_id="1")
    run(ops, "cancel", delivery)
    assert delivery.status == "delivered"


def test_its_page_shows_what_was_tried_and_no_name_as_markup(ops: Client, delivery: Delivery) -> None:
    html = ops.get(reverse("admin:coaching_delivery_change", args=[delivery.pk])).content.decode()
    assert "503" in html
    for name in ("delivery", "share", "workout"):
        assert "<script>alert" not in ops.get(reverse(f"admin:coaching_{name}_changelist")).content.decode()
    assert "<script>alert" not in html


def test_nobody_edits_consent_shares_or_workouts(ops: Client, link: CoachingLink, delivery: Delivery) -> None:
    for row in (link, delivery.share, delivery.share.workout, delivery):
        url = reverse(f"admin:coaching_{row._meta.model_name}_change", args=[row.pk])
        assert ops.post(url, {"status": "ended", "scopes": "[]"}).status_code == 403
    link.refresh_from_db()
    assert link.status == "active"


def test_a_failed_message_is_sent_again(ops: Client, athlete: User) -> None:
    event = DomainEvent.objects.create(type="x", source="x", subject_type="x", subject_id="1")
    mail = Notification.objects.create(
        event=event, recipient=athlete, channel="email", template="x", status="failed", attempts=5
    )
    run(ops, "send_again", mail)
    assert (mail.status, mail.attempts) == ("pending", 0)


def test_the_home_counts_deliveries(ops: Client, delivery: Delivery) -> None:
    Delivery.objects.update(status="pending", next_attempt_at=timezone.now() - HOUR)
    html = ops.get(reverse("admin:index")).content.decode()
    assert "Deliveries" in html
    assert "1\xa0hour" in html
