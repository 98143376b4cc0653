"""What waits for its provider shows its place in the queue, and who is not in yet turns in no circle."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from coaching import tasks
from coaching.models import CoachingLink, Delivery, DeliveryStatus
from coaching.services import reconciling
from coaching.templatetags.queue import queue_place, queue_places
from integrations import control, events, flags, gateways, health, waiting
from integrations.models import Connection, FeatureFlag, Provider, ProviderMode, SyncJob, SyncStream
from integrations.sandbox import RunningSandbox
from integrations.tasks import tick_jobs
from tests.coaching.world import Account, accepted, due_now, easy_run, run
from tests.conftest import make_user
from tests.integrations import library
from tests.integrations.broker import taken
from tests.integrations.test_control import window

pytestmark = pytest.mark.django_db(transaction=True)

Status = DeliveryStatus
HOUR = timedelta(hours=1)


@pytest.fixture
def athletes(link: CoachingLink, coach: User, garmin_provider: Provider) -> list[CoachingLink]:
    """Three of them, each with an account."""
    links = [link]
    for name in ("bob", "cyd"):
        athlete = make_user(f"{name}@example.org", name)
        links.append(CoachingLink.objects.create(coach=coach, athlete=athlete, scopes=["plan"]))
    for number, each in enumerate(links):
        Connection.objects.create(
            user=each.athlete, provider=garmin_provider, status="active", external_account_id=str(number), delivers=True
        )
    return links


def forget() -> None:
    for memory in (control, flags, health):
        memory.forget()


def hold() -> None:
    Provider.objects.update(mode=ProviderMode.HOLD)
    forget()


def trip() -> None:
    gateways.trip(Provider.objects.get(slug="garmin"), reason="they have an outage")
    forget()


def maintain() -> None:
    window(Provider.objects.get(slug="garmin"), "read_only")
    forget()


def page(client: Client, name: str, *arguments: Any) -> str:
    answer = client.get(reverse(f"coaching:{name}", args=arguments))
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


@pytest.mark.parametrize("stop", [hold, trip, maintain])
def test_coach_and_athlete_see_the_place_while_the_provider_may_not_be_called(
    as_coach: Client, as_athlete: Client, athletes: list[CoachingLink], stop: Callable[[], None]
) -> None:
    for each in reversed(athletes):
        last = accepted(each)
    assert last.share.link.athlete.email == "athlete@example.org"
    for name, client in (("delivery", as_coach), ("offer", as_athlete)):
        assert "In the queue" not in page(client, name, last.share.public_id), "its turn comes in a moment"
    stop()
    for name, client in (("delivery", as_coach), ("offer", as_athlete)):
        told = page(client, name, last.share.public_id)
        assert "It waits." in told
        assert "In the queue, place 3 of 3." in told
    assert "In the queue, place 3 of 3" in page(as_athlete, "inbox")


def test_what_is_held_from_the_start_has_its_place_too(as_coach: Client, athletes: list[CoachingLink]) -> None:
    hold()
    first, second = accepted(athletes[0]), accepted(athletes[1])
    assert (first.status, first.error_code) == (Status.BLOCKED, "provider_paused")
    assert "place 1 of 2" in page(as_coach, "delivery", first.share.public_id)
    assert "place 2 of 2" in page(as_coach, "delivery", second.share.public_id)


def test_only_what_waits_for_this_provider_counts(athletes: list[CoachingLink]) -> None:
    rows = [accepted(each) for each in athletes]
    for delivery, change in zip(rows, ({"status": "blocked", "error_code": "needs_login"}, {}, {}), strict=True):
        Delivery.objects.filter(pk=delivery.pk).update(**change)
    elsewhere = Provider.objects.create(slug="elsewhere", name="Elsewhere", mode="enabled")
    Connection.objects.filter(user=athletes[1].athlete).update(provider=elsewhere)
    hold()
    for delivery in rows:
        delivery.refresh_from_db()
    assert queue_place(rows[0].share) is None, "it waits for its person"
    place = queue_place(rows[2].share)
    assert place is not None
    assert (place.number, place.total) == (1, 1)


@pytest.mark.parametrize(
    ("most", "words"),
    [(5, "In the queue, place 3 of 3"), (3, "In the queue, place 3 of 3"), (2, "In the queue, behind 2 others")],
)
def test_no_more_than_the_most_is_counted(
    athletes: list[CoachingLink], monkeypatch: pytest.MonkeyPatch, most: int, words: str
) -> None:
    monkeypatch.setattr(waiting, "MOST", most)
    rows = [accepted(each) for each in athletes]
    hold()
    place = queue_place(rows[2].share)
    assert place is not None
    assert place.words == words
    first = queue_place(rows[0].share)
    assert first is not None
    assert first.words == ("In the queue, place 1 of 2+" if most == 2 else "In the queue, place 1 of 3")


def test_a_thousand_and_more_is_said_as_such() -> None:
    assert waiting.Place(1000, 1001).words == "In the queue, place 1,000 of 1,000+"
    assert waiting.Place(12, 1000).words == "In the queue, place 12 of 1,000"
    assert waiting.Place(None, 1001).words == "In the queue, behind 1,000 others"


def test_the_inbox_counts_once_however_much_waits(
    as_athlete: Client, athletes: list[CoachingLink], django_assert_max_num_queries: Any
) -> None:
    link = athletes[0]

    def cost() -> int:
        forget()
        with CaptureQueriesContext(database) as queries:
            page(as_athlete, "inbox")
        return len(queries)

    accepted(link, easy_run("One"))
    hold()
    few = cost()
    for number in range(5):
        accepted(link, easy_run(f"More {number}"))
    assert cost() == few
    shares = [row.share for row in Delivery.objects.select_related("share")]
    with CaptureQueriesContext(database) as queries:
        assert len(queue_places(shares)) == 6
    counting = [query["sql"] for query in queries if "LIMIT" in query["sql"]]
    assert len(counting) == 1


def test_a_sync_that_waits_shows_its_place(as_coach: Client, coach: User, garmin_provider: Provider) -> None:
    for number, user in enumerate((make_user("first@example.org", "Fay First"), coach)):
        connection = Connection.objects.create(
            user=user, provider=garmin_provider, status="active", external_account_id=str(number)
        )
        stream = SyncStream.objects.create(connection=connection, resource="workouts")
        SyncJob.objects.create(stream=stream, error_code="hold", error_detail="Paused for everybody.")
    elsewhere = Provider.objects.create(slug="elsewhere", name="Elsewhere", mode="enabled")
    other = Connection.objects.create(
        user=make_user("other@example.org", "Olaf Other"), provider=elsewhere, status="active", external_account_id="9"
    )
    SyncJob.objects.create(stream=SyncStream.objects.create(connection=other, resource="workouts"))
    words = "Paused for everybody. In the queue, place 2 of 2."
    addresses = ("/connections/", reverse("coaching:library"))
    for address in addresses:
        assert "In the queue" not in as_coach.get(address).text
    hold()
    for address in addresses:
        told = re.sub(r"\s+", " ", as_coach.get(address).text)
        assert words in told, address


@pytest.mark.parametrize("button", ["integrations:sync_now", "coaching:sync_library"])
def test_a_sync_asked_for_on_hold_waits_in_its_place_and_runs_by_itself_afterwards(
    as_coach: Client, garmin: RunningSandbox, coach: User, button: str
) -> None:
    stream = library.connect(garmin, coach)
    SyncStream.objects.exclude(pk=stream.pk).delete()
    assert library.sync(stream).status == "succeeded"
    hold()
    arguments = [stream.connection.public_id] if button.startswith("integrations") else []
    answer = as_coach.post(reverse(button, args=arguments), follow=True)
    job = SyncJob.objects.active().get(stream__resource="workouts")
    assert (job.requested_by, job.trigger) == (coach, "manual")
    if arguments:
        assert "The sync waits and starts by itself." in answer.text
    for address in ("/connections/", reverse("coaching:library")):
        told = as_coach.get(address).text
        assert "In the queue, place 1 of 1." in told, address
        assert "<progress" not in told, "nothing moves"
    listed = garmin["garmin"].count(library.LISTING)
    assert (library.work(job).status, job.attempts, job.error_code) == ("queued", 0, "hold")
    assert garmin["garmin"].count(library.LISTING) == listed
    Provider.objects.update(mode=ProviderMode.ENABLED)
    forget()
    library.make_due(job)
    taken("sync")
    tick_jobs()
    assert taken("sync") == [("integrations.tasks.run_sync", [job.pk])]
    assert library.work(job).status == "succeeded"


def let_in(percentage: int) -> None:
    FeatureFlag.objects.update_or_create(name="garmin-deliver", defaults={"percentage": percentage})
    forget()


def test_a_copy_for_who_is_not_in_yet_waits_an_hour_at_a_time(
    link: CoachingLink, account: Account, as_coach: Client
) -> None:
    let_in(0)
    delivery = run(accepted(link))
    assert (delivery.status, delivery.error_code, delivery.attempts) == (Status.PENDING, "not_yet", 0)
    assert abs(delivery.next_attempt_at - timezone.now() - HOUR) < timedelta(minutes=1)
    assert account.calls() == 0
    taken("interactive")
    tasks.tick_deliveries()
    reconciling.sweep()
    delivery.refresh_from_db()
    assert (delivery.status, taken("interactive")) == (Status.PENDING, []), "no tick wakes it"
    told = page(as_coach, "delivery", delivery.share.public_id)
    assert "It waits. Sending to Garmin Connect is not open to everybody yet." in told
    let_in(100)
    flag = FeatureFlag.objects.get(name="garmin-deliver")
    events.publish("flag.changed", flag, flag=flag.name, enabled=True, percentage=100)
    events.dispatch_due()
    delivery.refresh_from_db()
    assert delivery.next_attempt_at < timezone.now() + timedelta(seconds=6), "it need not wait out its hour"
    assert run(due_now(delivery)).status == Status.DELIVERED


def test_maintenance_that_drains_lets_a_copy_on_its_way_arrive(link: CoachingLink, account: Account) -> None:
    delivery = accepted(link)
    account.when("POST /api/workout-service/workout", lambda: window(Provider.objects.get(slug="garmin"), "drain"))
    assert run(delivery).status == Status.DELIVERED
    later = run(accepted(link, easy_run("Later")))
    assert (later.status, later.attempts) == (Status.BLOCKED, 0)
    assert "Garmin changes its disks." in later.error_detail
