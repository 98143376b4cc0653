"""The same way for a share, through Garmin's partner programme: nothing of it knows which provider it goes to."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from coaching.models import CoachingLink, Delivery, DeliveryStatus
from coaching.services import reconciling, sharing
from integrations import credentials
from integrations.models import Connection, Credential, Provider
from integrations.records import MARKER, End, EndKind, Segment, Sport, WorkoutRecord, WorkoutStep
from integrations.sandbox import RunningSandbox
from integrations.spec import Grant
from tests.coaching.test_reconciling import settle
from tests.coaching.world import HELD, TUESDAY, Account, accepted, easy_run, revise, run
from tests.patience import until
from tests.sandboxes import point_at

pytestmark = pytest.mark.django_db(transaction=True)
Status = DeliveryStatus
SLUG, EMAIL = "garmin_partner", "athlete2@sandbox.example"
CREATE = "POST /api/workoutportal/workout/v2"
READ = "GET /api/training-api/workout/v2/{identity}"
SCHEDULE = "POST /api/training-api/schedule"


@pytest.fixture
def provider(sandbox: RunningSandbox, transactional_db: None) -> Provider:
    provider = Provider.objects.get(slug=SLUG)
    point_at(provider, sandbox)
    return provider


@pytest.fixture
def account(athlete: User, sandbox: RunningSandbox, provider: Provider) -> Account:
    """The athlete's own at Garmin, connected as after his yes."""
    found = Account(sandbox, EMAIL, SLUG)
    found.person["permissions"] = ["ACTIVITY_EXPORT", "WORKOUT_IMPORT"]
    connection = Connection.objects.create(
        user=athlete, provider=provider, status="active", external_account_id=found.person["user"], delivers=True,
        scopes=found.person["permissions"],
    )  # fmt: skip
    tokens = found.box.state.grant(EMAIL)  # type: ignore[attr-defined]
    ends = datetime.fromtimestamp(timezone.now().timestamp() + tokens["expires_in"], UTC)
    secrets = {name: tokens[name] for name in ("access_token", "refresh_token")}
    credentials.store(connection, Grant(secrets, ends), kind=Credential.Kind.OAUTH2)
    return found


def take_out(delivery: Delivery) -> None:
    sharing.withdraw(delivery.share, by=delivery.share.link.coach, remove_remote=True)
    Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=timezone.now())
    reconciling.remove(delivery.pk)


def test_an_accepted_workout_lands_in_the_account_and_on_the_calendar(link: CoachingLink, account: Account) -> None:
    delivery = run(accepted(link, easy_run(description="Keep it easy.")))
    assert delivery.status == Status.DELIVERED
    (workout,) = account.workouts()
    assert (workout["workoutName"], workout["sport"]) == ("Easy run", "RUNNING")
    assert workout["description"] == f"Keep it easy.\n\n{MARKER}{delivery.marker}"
    assert workout["workoutSourceId"] == f"{MARKER}{delivery.marker}"
    assert [step["durationValue"] for leg in workout["segments"] for step in leg["steps"]] == [1800]
    assert account.calendar() == [(workout["workoutId"], str(TUESDAY))]
    assert delivery.remote_workout_id == str(workout["workoutId"])
    assert delivery.remote_schedule_id in account.person["schedules"]
    assert [(a.step, a.outcome) for a in delivery.attempts_made.all()] == [
        ("create", "success"),
        ("schedule", "success"),
    ]


def test_without_a_day_nothing_goes_on_the_calendar(link: CoachingLink, account: Account) -> None:
    assert run(accepted(link, on=None)).status == Status.DELIVERED
    assert account.holds() == (1, 0)


def test_a_newer_revision_replaces_the_content_and_keeps_the_day(link: CoachingLink, account: Account) -> None:
    delivery = run(accepted(link))
    revision = revise(delivery.revision.workout, easy_run("Easier run"))
    Delivery.objects.filter(pk=delivery.pk).update(revision=revision, status=Status.PENDING)
    assert run(delivery).status == Status.DELIVERED
    (workout,) = account.workouts()
    assert workout["workoutName"] == "Easier run"
    assert account.holds() == (1, 1)


def test_what_the_programme_cannot_express_is_refused_before_any_call(link: CoachingLink, account: Account) -> None:
    step = WorkoutStep(end=End(kind=EndKind.VELOCITY_LOSS, value=20))
    record = WorkoutRecord(name="Lift", sport=Sport.STRENGTH, segments=(Segment(sport=Sport.STRENGTH, steps=(step,)),))
    delivery = run(accepted(link, record))
    assert (delivery.status, delivery.error_code) == (Status.FAILED, "unsupported")
    assert "Step 1" in delivery.error_detail
    assert "velocity loss" in delivery.error_detail
    assert account.calls() == 0


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("403", Status.FAILED, "authorization"),
        ("404", Status.FAILED, "not_found"),
        ("412", Status.FAILED, "missing_scope"),
        ("400", Status.FAILED, "validation"),
        ("409", Status.UNCERTAIN, "conflict"),
        ("429-retry", Status.PENDING, "rate_limit"),
        ("503", Status.UNCERTAIN, "server"),
        ("truncated", Status.UNCERTAIN, "provider_bad_answer"),
        ("drop-after", Status.UNCERTAIN, "connection_lost"),
    ],
)
def test_each_answer_to_a_create_has_its_own_state(
    link: CoachingLink, account: Account, fault: str, status: str, code: str
) -> None:
    account.behaves(fault, CREATE)
    delivery = run(accepted(link))
    assert (delivery.status, delivery.error_code) == (status, code)
    assert (delivery.create_sent_at is not None) is (status == Status.UNCERTAIN)
    assert not any(word in delivery.error_detail for word in ("Traceback", "http", "garmin answered", "{"))


def test_a_permission_taken_back_is_told_to_people(link: CoachingLink, account: Account) -> None:
    account.person["permissions"] = ["ACTIVITY_EXPORT"]
    delivery = run(accepted(link))
    assert (delivery.status, delivery.error_code) == (Status.FAILED, "missing_scope")
    assert "permission" in delivery.error_detail.lower()


@pytest.mark.parametrize("fault", [HELD, "drop-after", "500-after", "truncated", "cut"])
def test_a_lost_answer_to_the_day_leaves_one_entry(
    link: CoachingLink, account: Account, fast: None, impatient: None, fault: str
) -> None:
    with account.losing(fault, SCHEDULE):
        delivery = run(accepted(link))
        assert delivery.status == Status.PENDING
    assert settle(delivery).status == Status.DELIVERED
    assert account.holds() == (1, 1)
    until(lambda: account.calls(SCHEDULE) == 1)  # noted once answered


def test_a_day_that_is_answered_by_its_number_alone_is_kept(link: CoachingLink, account: Account) -> None:
    account.behaves("bare-schedule")
    delivery = run(accepted(link))
    assert delivery.status == Status.DELIVERED
    assert delivery.remote_schedule_id in account.person["schedules"]


def test_what_never_arrived_is_sent_again(link: CoachingLink, account: Account, fast: None) -> None:
    account.behaves("drop", CREATE)
    delivery = run(accepted(link))
    account.behaves("")
    assert settle(delivery).status == Status.DELIVERED
    assert (account.holds(), account.calls(CREATE)) == ((1, 1), 2)


def test_a_copy_that_no_day_names_cannot_be_found_and_only_one_reaches_the_calendar(
    link: CoachingLink, account: Account, fast: None
) -> None:
    account.behaves("500-after", CREATE)
    delivery = run(accepted(link))
    account.behaves("")
    assert settle(delivery).status == Status.DELIVERED
    assert account.holds() == (2, 1), "nothing lists workouts: the lost copy stays, and no watch shows it"
    outcomes = list(delivery.attempts_made.filter(step="reconcile").values_list("outcome", flat=True))
    assert outcomes[-2:] == ["not there", "not there"]


@pytest.fixture
def doubled(link: CoachingLink, account: Account) -> Callable[..., tuple[Delivery, str]]:
    """A delivery, and a second copy of it on its day, as a worker that was frozen for minutes leaves it."""

    def make(**fields: Any) -> tuple[Delivery, str]:
        delivery = run(accepted(link))
        (first,) = account.workouts()
        state = account.box.state  # type: ignore[attr-defined]
        content = {name: value for name, value in first.items() if name != "workoutId"}
        second = str(state.put_workout(account.person, content | fields)["workoutId"])
        state.put_schedule(account.person, second, str(TUESDAY))
        Delivery.objects.update(recheck_at=timezone.now())
        return delivery, second

    return make


def test_a_copy_on_the_calendar_is_found_and_taken_over(
    account: Account, doubled: Callable[..., tuple[Delivery, str]]
) -> None:
    delivery, second = doubled()
    account.delete(delivery.remote_workout_id)
    Delivery.objects.filter(pk=delivery.pk).update(
        status=Status.UNCERTAIN, remote_workout_id="", remote_schedule_id="", create_sent_at=timezone.now()
    )
    assert run(delivery).status == Status.DELIVERED
    assert (delivery.remote_workout_id, account.holds(), account.calls(CREATE)) == (second, (1, 1), 1)


def test_ten_minutes_later_a_second_copy_is_deleted(
    account: Account, doubled: Callable[..., tuple[Delivery, str]]
) -> None:
    delivery, _ = doubled()
    assert account.holds() == (2, 2)
    reconciling.recheck(delivery.pk)
    assert [str(raw["workoutId"]) for raw in account.workouts()] == [delivery.remote_workout_id]
    assert account.holds() == (1, 1)


def test_what_does_not_carry_our_reference_is_left_alone(
    account: Account, doubled: Callable[..., tuple[Delivery, str]]
) -> None:
    delivery, second = doubled(description="Mine")
    reconciling.recheck(delivery.pk)
    take_out(delivery)
    assert list(account.person["workouts"]) == [second]
    assert [(str(number), day) for number, day in account.calendar()] == [(second, str(TUESDAY))]


def test_a_look_reads_no_more_than_what_may_be_ours(link: CoachingLink, account: Account) -> None:
    """A day's calls are few: the newest five, unless those were all made since."""
    for _ in range(12):
        old = account.box.state.put_workout(account.person, {"workoutName": "Old", "description": ""})  # type: ignore[attr-defined]
        old["createdDate"] = (datetime.now(UTC) - timedelta(days=3)).replace(tzinfo=None).isoformat()
        account.box.state.put_schedule(account.person, str(old["workoutId"]), str(TUESDAY))  # type: ignore[attr-defined]
    delivery = run(accepted(link))
    Delivery.objects.update(recheck_at=timezone.now())
    reconciling.recheck(delivery.pk)
    assert account.calls(READ) == 5


def test_a_withdrawn_copy_is_taken_out_with_its_day(link: CoachingLink, account: Account) -> None:
    delivery = run(accepted(link))
    take_out(delivery)
    assert account.holds() == (0, 0)
    assert account.calendar() == []
