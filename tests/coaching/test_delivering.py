"""A copy's way to the athlete's account, against Garmin's real protocol."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection as database
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from coaching.models import CoachingLink, Delivery, DeliveryStatus, Share
from coaching.services import delivering, inviting, reconciling, sending, sharing
from integrations.models import Connection, DomainEvent, Provider, ProviderMode
from integrations.records import MARKER, Segment, Sport, Stroke, WorkoutRecord, WorkoutStep
from integrations.sandbox import RunningSandbox
from tests.coaching.world import (
    CREATE,
    SCHEDULE,
    TUESDAY,
    Account,
    accepted,
    connect,
    due_now,
    easy_run,
    in_parallel,
    offer,
    revise,
    run,
)

pytestmark = pytest.mark.django_db(transaction=True)
Status = DeliveryStatus


def test_an_accepted_workout_lands_in_the_account_and_on_the_calendar(link: CoachingLink, account: Account) -> None:
    delivery = run(accepted(link, easy_run(description="Keep it easy.")))
    assert delivery.status == Status.DELIVERED
    (workout,) = account.workouts()
    assert workout["workoutName"] == "Easy run"
    assert workout["description"] == f"Keep it easy.\n\n{MARKER}{delivery.marker}"
    assert account.calendar() == [(delivery.remote_workout_id, str(TUESDAY))]
    assert delivery.remote_workout_id == str(workout["workoutId"])
    assert delivery.remote_schedule_id
    assert [(a.step, a.outcome) for a in delivery.attempts_made.all()] == [
        ("create", "success"),
        ("schedule", "success"),
    ]
    assert DomainEvent.objects.filter(type="delivery.delivered", subject_id=delivery.pk).count() == 1


def test_without_a_day_nothing_goes_on_the_calendar(link: CoachingLink, account: Account) -> None:
    assert run(accepted(link, on=None)).status == Status.DELIVERED
    assert account.holds() == (1, 0)


ROUNDS = [pytest.param(2, id="short"), pytest.param(20, id="long", marks=pytest.mark.soak)]


@pytest.mark.parametrize("times", ROUNDS)
def test_fifty_clicks_and_doubled_tasks_make_one_workout(link: CoachingLink, account: Account, times: int) -> None:
    for number in range(1, times + 1):
        share = offer(link, easy_run(f"Run {number}"))
        found = in_parallel(50, lambda share=share: sharing.accept(share, by=link.athlete))  # type: ignore[misc]
        assert len({delivery.pk for delivery in found if delivery}) == 1
        assert None not in found
        assert found[0] is not None
        in_parallel(8, lambda pk=found[0].pk: sending.deliver(pk))  # type: ignore[misc]
        assert account.holds() == (number, number)
        assert DomainEvent.objects.filter(type="share.accepted", subject_id=share.pk).count() == 1


@pytest.mark.parametrize(
    ("fault", "status", "code", "marked"),
    [
        ("403", Status.FAILED, "authorization", False),
        ("404", Status.FAILED, "not_found", False),
        ("412", Status.FAILED, "validation", False),
        ("409", Status.UNCERTAIN, "conflict", True),
        ("429", Status.PENDING, "rate_limit", False),
        ("429-retry", Status.PENDING, "rate_limit", False),
        ("500", Status.UNCERTAIN, "server", True),
        ("503", Status.UNCERTAIN, "server", True),
        ("html", Status.UNCERTAIN, "provider_bad_answer", True),
        ("truncated", Status.UNCERTAIN, "provider_bad_answer", True),
        ("cut", Status.UNCERTAIN, "connection_lost", True),
        ("drop", Status.UNCERTAIN, "connection_lost", True),
        ("drop-after", Status.UNCERTAIN, "connection_lost", True),
        ("500-after", Status.UNCERTAIN, "server", True),
    ],
)
def test_each_answer_to_a_create_has_its_own_state_and_words(
    link: CoachingLink, account: Account, fault: str, status: str, code: str, marked: bool
) -> None:
    account.behaves(fault, CREATE)
    delivery = run(accepted(link))
    assert (delivery.status, delivery.error_code) == (status, code)
    assert (delivery.create_sent_at is not None) is marked
    assert len(delivery.error_detail) > 20
    assert not any(word in delivery.error_detail for word in ("Traceback", "http", "garmin answered", "{"))
    assert delivery.lease_token is None
    assert account.calls(CREATE) == 1
    (attempt,) = delivery.attempts_made.all()
    assert (attempt.step, attempt.error_code) == ("create", code)


def test_the_words_differ_from_answer_to_answer(link: CoachingLink, account: Account) -> None:
    words = set()
    for fault in ("403", "404", "409", "412", "429", "500", "truncated", "drop"):
        account.behaves(fault, CREATE)
        words.add(run(accepted(link, easy_run(fault))).error_detail)
    assert len(words) == 8


def test_a_provider_that_cannot_be_reached_loses_nothing(
    link: CoachingLink, account: Account, garmin_provider: Provider, nowhere: str
) -> None:
    right = dict(garmin_provider.base_urls)
    garmin_provider.base_urls = right | {"api": nowhere}
    garmin_provider.save()
    delivery = run(accepted(link))
    assert (delivery.status, delivery.error_code, delivery.create_sent_at) == (Status.PENDING, "connection", None)
    garmin_provider.base_urls = right
    garmin_provider.save()
    assert run(delivery).status == Status.DELIVERED
    assert account.holds() == (1, 1)


def test_a_login_that_is_over_blocks_until_it_is_renewed(
    link: CoachingLink, account: Account, connection: Connection
) -> None:
    account.behaves("401", CREATE)
    delivery = run(accepted(link))
    assert (delivery.status, delivery.error_code) == (Status.BLOCKED, "needs_login")
    connection.refresh_from_db()
    assert connection.status == Connection.Status.NEEDS_REAUTH
    before = account.calls()
    run(delivery)
    assert account.calls() == before
    account.behaves("")
    connection.move("active", only_from=["needs_reauth"])
    delivering.resume_for(connection)
    assert run(delivery).status == Status.DELIVERED
    assert account.holds() == (1, 1)


def test_a_token_refused_once_is_renewed_and_the_workout_arrives(link: CoachingLink, account: Account) -> None:
    account.behaves("401-once", CREATE)
    assert run(accepted(link)).status == Status.DELIVERED
    assert account.holds() == (1, 1)


def test_after_six_attempts_it_has_failed_and_can_be_tried_again(link: CoachingLink, account: Account) -> None:
    account.behaves("429", CREATE)
    delivery = accepted(link)
    for _ in range(5):
        assert run(delivery).status == Status.PENDING
    assert run(delivery).status == Status.FAILED
    assert account.calls(CREATE) == 6
    assert DomainEvent.objects.filter(type="delivery.failed", subject_id=delivery.pk).count() == 1
    account.behaves("")
    assert delivering.retry(delivery, by=link.athlete)
    assert not delivering.retry(delivery, by=link.athlete)
    assert run(delivery).status == Status.DELIVERED
    assert account.holds() == (1, 1)


def test_waits_grow_and_retry_after_is_kept(link: CoachingLink, account: Account) -> None:
    delivery = accepted(link)
    account.behaves("429-retry", CREATE)
    for least in (4, 48, 240):
        run(delivery)
        left = (delivery.next_attempt_at - timezone.now()).total_seconds()
        assert least - 1 <= left <= least * 1.6


def test_our_own_stops_cost_no_attempt(link: CoachingLink, account: Account, garmin_provider: Provider) -> None:
    garmin_provider.limits = {"account": {"capacity": 0.5, "per_s": 0.001}}
    garmin_provider.save()
    delivery = run(accepted(link))
    assert (delivery.status, delivery.error_code, delivery.attempts) == (Status.PENDING, "throttled", 0)
    assert delivery.create_sent_at is None
    assert account.calls() == 0


@pytest.mark.parametrize("fault", ["500-after", "drop-after", "truncated", "409"])
def test_a_calendar_entry_is_made_once_whatever_the_answer_was(
    link: CoachingLink, account: Account, fast: None, fault: str
) -> None:
    account.behaves(fault, SCHEDULE)
    delivery = run(accepted(link))
    assert delivery.status == Status.PENDING
    assert delivery.remote_workout_id
    account.behaves("")
    assert settle(delivery).status == Status.DELIVERED
    assert account.holds() == (1, 1)
    assert account.calls(CREATE) == 1


def settle(delivery: Delivery) -> Delivery:
    """Run it, whenever it is due, until it rests. Its waits are scaled down."""
    for _ in range(400):
        sending.deliver(delivery.pk)
        delivery.refresh_from_db()
        if delivery.status not in (Status.PENDING, Status.SENDING, Status.UNCERTAIN):
            break
        pause(0.01)
    return delivery


def pause(seconds: float) -> None:
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


def test_a_calendar_entry_that_may_still_come_is_waited_for(link: CoachingLink, account: Account) -> None:
    account.behaves("500", SCHEDULE)
    delivery = run(accepted(link))
    account.behaves("")
    assert run(delivery).status == Status.PENDING  # too early to send it again
    assert account.calls(SCHEDULE) == 1
    Delivery.objects.filter(pk=delivery.pk).update(schedule_sent_at=F("schedule_sent_at") - timedelta(minutes=3))
    assert run(delivery).status == Status.DELIVERED
    assert account.holds() == (1, 1)


def test_a_workout_that_vanished_before_it_was_scheduled_is_told(link: CoachingLink, account: Account) -> None:
    account.behaves("429", SCHEDULE)
    delivery = run(accepted(link))
    account.behaves("")
    account.delete(delivery.remote_workout_id)
    delivery = run(delivery)
    assert (delivery.status, delivery.error_code) == (Status.FAILED, "gone_remote")
    assert not delivering.retry(delivery, by=link.coach)
    assert delivering.retry(delivery, by=link.athlete)
    assert run(delivery).status == Status.DELIVERED
    assert account.holds() == (1, 1)


def test_what_the_target_cannot_express_is_refused_before_the_call(link: CoachingLink, account: Account) -> None:
    hike = WorkoutRecord(name="Hike", sport=Sport.OTHER, segments=(Segment(sport=Sport.RUNNING),))
    delivery = run(accepted(link, hike))
    assert (delivery.status, delivery.error_code) == (Status.FAILED, "unsupported")
    assert "no steps" in delivery.error_detail
    assert account.calls() == 0


def test_a_link_that_ended_before_the_run_means_no_call(link: CoachingLink, account: Account) -> None:
    deliveries = [accepted(link, easy_run(f"Run {n}")) for n in range(5)]
    inviting.end_link(link, by=link.athlete)
    for delivery in deliveries:
        assert run(delivery).status == Status.CANCELLED
        assert not delivery.remove_remote
    assert account.calls() == 0


def test_a_link_ended_behind_our_back_is_seen_at_the_claim(link: CoachingLink, account: Account) -> None:
    delivery = accepted(link)
    CoachingLink.objects.filter(pk=link.pk).update(status="ended", ended_at=timezone.now())
    assert run(delivery).status == Status.CANCELLED
    assert account.calls() == 0


def test_a_link_that_ends_between_two_calls_stops_the_second(link: CoachingLink, account: Account) -> None:
    delivery = accepted(link)
    account.when(CREATE, lambda: inviting.end_link(link, by=link.athlete))
    run(delivery)
    assert delivery.status == Status.CANCELLED
    assert account.calls(SCHEDULE) == 0
    reconcile(delivery)
    assert account.holds() == (0, 0)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda: CoachingLink.objects.update(status="ended", ended_at=timezone.now()), Status.CANCELLED),
        (lambda: Share.objects.update(status="declined"), Status.CANCELLED),
        (lambda: Connection.objects.update(status="paused"), Status.BLOCKED),
        (lambda: Provider.objects.update(mode=ProviderMode.HOLD), Status.BLOCKED),
    ],
)
def test_what_changes_between_two_calls_is_asked_of_the_rows_themselves(
    link: CoachingLink, account: Account, change: Callable[[], int], status: str
) -> None:
    delivery = accepted(link)
    account.when(CREATE, change)
    assert run(delivery).status == status
    assert delivery.lease_token is None
    assert account.calls(SCHEDULE) == 0


def reconcile(delivery: Delivery) -> None:
    reconciling.remove(due_now(delivery).pk)
    delivery.refresh_from_db()


@pytest.mark.parametrize(
    ("switch", "code"),
    [({"mode": ProviderMode.HOLD}, "provider_paused"), ({"deliver_enabled": False}, "provider_paused")],
)
def test_a_paused_provider_holds_deliveries_and_lets_them_go(
    link: CoachingLink, account: Account, garmin_provider: Provider, switch: dict[str, object], code: str
) -> None:
    delivery = accepted(link)
    Provider.objects.filter(pk=garmin_provider.pk).update(**switch)
    run(delivery)
    assert (delivery.status, delivery.error_code, delivery.attempts) == (Status.BLOCKED, code, 0)
    assert account.calls() == 0
    reconciling.sweep()
    delivery.refresh_from_db()
    assert delivery.status == Status.BLOCKED
    Provider.objects.filter(pk=garmin_provider.pk).update(mode=ProviderMode.ENABLED, deliver_enabled=True)
    reconciling.sweep()
    assert run(delivery).status == Status.DELIVERED


def test_an_import_before_connecting_waits_and_then_runs_once(
    link: CoachingLink, athlete: User, garmin: RunningSandbox, garmin_provider: Provider
) -> None:
    delivery = accepted(link)
    assert (delivery.status, delivery.error_code, delivery.connection) == (Status.BLOCKED, "not_connected", None)
    connection = connect(athlete, garmin, garmin_provider, "athlete2@sandbox.example")
    delivering.resume_for(connection)
    delivering.resume_for(connection)
    assert run(delivery).status == Status.DELIVERED
    assert Account(garmin, "athlete2@sandbox.example").holds() == (1, 1)


def test_disconnecting_cancels_what_is_open_and_a_new_account_can_be_tried(
    link: CoachingLink, account: Account, connection: Connection, garmin: RunningSandbox, garmin_provider: Provider
) -> None:
    delivery = accepted(link)
    connection.move("disconnected", only_from=["active"])
    delivering.cancel_for(connection)
    assert run(delivery).status == Status.CANCELLED
    connect(link.athlete, garmin, garmin_provider, "athlete3@sandbox.example")
    assert delivering.retry(delivery, by=link.athlete)
    assert not delivering.retry(delivery, by=link.athlete)
    again = Delivery.objects.exclude(pk=delivery.pk).get()
    assert run(again).status == Status.DELIVERED
    assert (account.holds(), Account(garmin, "athlete3@sandbox.example").holds()) == ((0, 0), (1, 1))


def test_a_new_revision_replaces_the_copy_in_place(link: CoachingLink, account: Account) -> None:
    delivery = run(accepted(link))
    workout = delivery.share.workout
    harder = revise(workout, easy_run("Harder run"))
    assert sharing.share_workout(harder, targets=[(link, TUESDAY)], by=link.coach) == 1
    assert run(delivery).status == Status.DELIVERED
    (copy,) = account.workouts()
    assert (str(copy["workoutId"]), copy["workoutName"]) == (delivery.remote_workout_id, "Harder run")
    assert MARKER + delivery.marker in copy["description"]
    assert account.holds() == (1, 1)
    assert (account.calls(CREATE), account.calls(SCHEDULE)) == (1, 1)


def test_a_copy_that_the_athlete_deleted_is_not_made_again_unasked(link: CoachingLink, account: Account) -> None:
    delivery = run(accepted(link))
    account.delete(delivery.remote_workout_id)
    sharing.share_workout(revise(delivery.share.workout, easy_run("New")), targets=[(link, TUESDAY)], by=link.coach)
    assert (run(delivery).status, delivery.error_code) == (Status.FAILED, "gone_remote")
    assert account.holds() == (0, 0)


def test_a_revision_that_comes_while_sending_goes_out_next(link: CoachingLink, account: Account) -> None:
    delivery = accepted(link)
    newer = revise(delivery.share.workout, easy_run("Newer"))
    account.when(CREATE, lambda: sharing.share_workout(newer, targets=[(link, TUESDAY)], by=link.coach))
    assert run(delivery).status == Status.PENDING
    assert run(delivery).status == Status.DELIVERED
    assert [raw["workoutName"] for raw in account.workouts()] == ["Newer"]


def test_nobody_else_can_try_again(link: CoachingLink, account: Account, stranger: User, other_coach: User) -> None:
    account.behaves("403", CREATE)
    delivery = run(accepted(link))
    assert not delivering.retry(delivery, by=stranger)
    assert not delivering.retry(delivery, by=other_coach)
    assert delivering.retry(delivery, by=link.coach)


def test_swim_strokes_survive_the_way(link: CoachingLink, account: Account) -> None:
    step = WorkoutStep(stroke=Stroke.BACKSTROKE)
    segment = Segment(sport=Sport.SWIMMING, steps=(step,), pool_length=25, pool_unit="meter")
    swim = WorkoutRecord(name="Swim", sport=Sport.SWIMMING, segments=(segment,), pool_length=25, pool_unit="meter")
    assert run(accepted(link, swim)).status == Status.DELIVERED
    assert account.workouts()[0]["poolLength"] == 25
