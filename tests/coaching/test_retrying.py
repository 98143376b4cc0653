"""Trying again: the button is shown exactly to whom and when the service would do it."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from coaching.models import CoachingLink, Delivery, DeliveryStatus, Share
from coaching.services import delivering, sharing
from coaching.services.sending import GONE
from integrations.models import Connection, Provider
from tests.coaching.world import accepted

pytestmark = pytest.mark.django_db
Status = DeliveryStatus


@pytest.fixture
def delivery(link: CoachingLink, garmin_provider: Provider) -> Delivery:
    Connection.objects.create(user=link.athlete, provider=garmin_provider, status="active", external_account_id="1")
    return accepted(link)


def put(delivery: Delivery, status: str, code: str) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(status=status, error_code=code, error_detail="It says why.")
    delivery.refresh_from_db()


@pytest.mark.parametrize(
    ("status", "code", "who"),
    [
        (Status.FAILED, "not_taken", {"coach", "athlete", "operator"}),
        (Status.FAILED, GONE, {"athlete", "operator"}),
        (Status.CANCELLED, "disconnected", {"coach", "athlete", "operator"}),
        (Status.CANCELLED, "by_operations", {"operator"}),
        (Status.BLOCKED, "needs_login", set()),
        (Status.PENDING, "", set()),
    ],
)
def test_the_button_and_the_service_agree(
    delivery: Delivery, status: str, code: str, who: set[str], operator: User, stranger: User,
    as_coach: Client, as_athlete: Client,
) -> None:  # fmt: skip
    put(delivery, status, code)
    link = delivery.share.link
    shown = {
        "coach": as_coach.get(reverse("coaching:delivery", args=[delivery.share.public_id])),
        "athlete": as_athlete.get(reverse("coaching:offer", args=[delivery.share.public_id])),
    }
    assert {name for name, answer in shown.items() if "Try again" in answer.text} == who - {"operator"}
    people = {"coach": link.coach, "athlete": link.athlete, "operator": operator, "stranger": stranger}
    allowed = set()
    for name, person in people.items():
        put(delivery, status, code)
        allowed |= {name} if delivering.retry(delivery, by=person) else set()
        Delivery.objects.exclude(pk=delivery.pk).delete()
    assert allowed == who


def test_what_a_disconnect_cut_off_goes_on_with_a_click_after_connecting_again(
    delivery: Delivery, as_athlete: Client, garmin_provider: Provider
) -> None:
    connection = Connection.objects.get()
    connection.move("disconnected", only_from=["active"])
    delivering.cancel_for(connection)
    Connection.objects.create(user=connection.user, provider=garmin_provider, status="active", external_account_id="1")
    page = reverse("coaching:offer", args=[delivery.share.public_id])
    assert "Try again" in as_athlete.get(page).text
    again = as_athlete.post(reverse("coaching:retry_import", args=[delivery.share.public_id]), follow=True)
    assert "On its way." in again.text
    assert "Try again" not in again.text.replace("Trying again", "")
    assert list(Delivery.objects.order_by("pk").values_list("status", flat=True)) == [Status.CANCELLED, Status.PENDING]


def test_what_no_longer_stands_is_not_tried(delivery: Delivery, as_coach: Client) -> None:
    put(delivery, Status.FAILED, "not_taken")
    sharing.withdraw(delivery.share, by=delivery.share.link.coach)
    assert not delivering.retry(delivery, by=delivery.share.link.athlete)
    page = as_coach.get(reverse("coaching:delivery", args=[Share.objects.get().public_id]))
    assert "Try again" not in page.text
