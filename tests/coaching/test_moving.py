"""A planned workout gets another day: the copy in the account follows, with one calendar entry in the end."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, User
from coaching.models import Activity, CoachingLink, Delivery, Match, Notification, Share
from coaching.services import planning, reconciling, sharing
from coaching.weeks import today_of, week_of
from integrations import errors, events
from integrations.models import Connection
from tests.coaching.world import SCHEDULE, Account, accepted, due_now, in_parallel, offer, run

UNSCHEDULE = SCHEDULE.replace("POST", "DELETE")


@pytest.fixture
def monday(athlete: User) -> date:
    return week_of(today_of(athlete)) + timedelta(days=7)


@pytest.fixture
def friday(monday: date) -> date:
    return monday + timedelta(days=4)


def days(account: Account) -> list[str]:
    """Of the calendar entries of ours."""
    ours = {str(raw["workoutId"]) for raw in account.workouts()}
    return [on for workout_id, on in account.calendar() if str(workout_id) in ours]


def settle(delivery: Delivery) -> Delivery:
    """Run it until nothing is left to do."""
    for _ in range(6):
        if delivery.status in {"delivered", "failed", "cancelled"}:
            break
        delivery = run(delivery)
    return delivery


@pytest.mark.django_db(transaction=True)
class TestTheCopyFollows:
    def test_a_delivered_copy_changes_its_day(
        self, account: Account, link: CoachingLink, monday: date, friday: date
    ) -> None:
        delivery = run(accepted(link, on=monday))
        assert days(account) == [monday.isoformat()]
        assert planning.move(delivery.share, friday, by=link.coach)
        delivery.refresh_from_db()
        assert delivery.status == "pending", "it is taken up again"
        assert settle(delivery).status == "delivered"
        assert days(account) == [friday.isoformat()]
        assert account.holds() == (1, 1)
        steps = list(delivery.attempts_made.values_list("step", flat=True))
        assert steps == ["create", "schedule", "unschedule", "schedule"]

    def test_one_that_was_not_sent_yet_goes_to_the_new_day_alone(
        self, account: Account, link: CoachingLink, monday: date, friday: date
    ) -> None:
        delivery = accepted(link, on=monday)
        planning.move(delivery.share, friday, by=link.coach)
        run(delivery)
        assert days(account) == [friday.isoformat()]
        assert account.calls(UNSCHEDULE) == 0

    def test_one_without_a_day_gets_one(self, account: Account, link: CoachingLink, friday: date) -> None:
        delivery = run(accepted(link, on=None))
        assert days(account) == []
        planning.move(delivery.share, friday, by=link.coach)
        assert settle(run(delivery)).status == "delivered"
        assert days(account) == [friday.isoformat()]

    @pytest.mark.parametrize("route", ["POST /api/workout-service/workout", SCHEDULE])
    def test_moved_while_a_worker_sends_it(
        self, account: Account, link: CoachingLink, monday: date, friday: date, route: str
    ) -> None:
        """Whatever the worker has read before: it does not end as delivered on the old day."""
        delivery = accepted(link, on=monday)
        account.when(route, lambda: planning.move(Share.objects.get(), friday, by=link.coach))
        run(delivery)
        assert delivery.status == "pending"
        assert settle(delivery).status == "delivered"
        assert days(account) == [friday.isoformat()]
        assert account.holds() == (1, 1)

    @pytest.mark.parametrize("fault", ["500-after", "cut"])
    def test_an_entry_of_which_nobody_knew_goes_too(
        self, account: Account, link: CoachingLink, monday: date, friday: date, fault: str, fast: None
    ) -> None:
        delivery = accepted(link, on=monday)
        account.behaves(fault, SCHEDULE)
        run(delivery)
        account.behaves("")
        delivery.refresh_from_db()
        assert (delivery.sent_day, delivery.remote_schedule_id) == (monday, "")
        planning.move(delivery.share, friday, by=link.coach)
        assert settle(delivery).status == "delivered"
        assert days(account) == [friday.isoformat()]

    def test_a_call_that_may_still_put_it_on_the_old_day_is_waited_for(
        self, account: Account, link: CoachingLink, monday: date, friday: date
    ) -> None:
        delivery = accepted(link, on=monday)
        account.behaves("drop", SCHEDULE)
        run(delivery)
        account.behaves("")
        planning.move(delivery.share, friday, by=link.coach)
        assert run(delivery).status == "pending"
        assert days(account) == [], "nothing new while the old call may still act"
        Delivery.objects.filter(pk=delivery.pk).update(schedule_sent_at=timezone.now() - timedelta(hours=1))
        assert settle(delivery).status == "delivered"
        assert days(account) == [friday.isoformat()]

    def test_taking_it_off_the_old_day_is_safe_to_repeat(
        self, account: Account, link: CoachingLink, monday: date, friday: date
    ) -> None:
        """The call took effect, its answer was lost."""
        delivery = run(accepted(link, on=monday))
        planning.move(delivery.share, friday, by=link.coach)
        account.behaves("500-after", UNSCHEDULE)
        run(delivery)
        assert delivery.status == "pending"
        account.behaves("")
        assert settle(delivery).status == "delivered"
        assert days(account) == [friday.isoformat()]

    def test_there_and_back_again_needs_no_call(self, account: Account, link: CoachingLink, monday: date) -> None:
        delivery = run(accepted(link, on=monday))
        before = account.calls(SCHEDULE, UNSCHEDULE)
        assert before == 1
        planning.move(delivery.share, monday + timedelta(days=1), by=link.coach)
        delivery.share.refresh_from_db()
        planning.move(delivery.share, monday, by=link.coach)
        assert run(delivery).status == "delivered"
        assert days(account) == [monday.isoformat()]
        assert account.calls(SCHEDULE, UNSCHEDULE) == before

    def test_a_moved_copy_is_taken_out_when_it_is_withdrawn(
        self, account: Account, link: CoachingLink, monday: date, friday: date
    ) -> None:
        delivery = run(accepted(link, on=monday))
        planning.move(delivery.share, friday, by=link.coach)
        sharing.withdraw(delivery.share, by=link.coach, remove_remote=True)
        due_now(delivery)
        reconciling.remove(delivery.pk)
        assert account.holds() == (0, 0)
        assert days(account) == []

    def test_a_copy_that_the_athlete_deleted_is_not_made_anew(
        self, account: Account, link: CoachingLink, monday: date, friday: date
    ) -> None:
        delivery = run(accepted(link, on=monday))
        Delivery.objects.filter(pk=delivery.pk).update(status="failed", error_code="gone_remote")
        planning.move(delivery.share, friday, by=link.coach)
        delivery.refresh_from_db()
        assert (delivery.status, delivery.day) == ("failed", friday)

    def test_moving_and_accepting_at_once_agree_on_the_day(
        self, connection: Connection, link: CoachingLink, monday: date, friday: date
    ) -> None:
        share = offer(link, on=monday)

        def accept() -> None:
            sharing.accept(Share.objects.select_related("link").get(pk=share.pk), by=link.athlete)

        def move() -> None:
            planning.move(share, friday, by=link.coach)

        acts = [accept, move]

        def one() -> None:
            acts.pop()()

        in_parallel(2, one)
        assert Delivery.objects.get().day == Share.objects.get().scheduled_for == friday

    def test_an_offer_read_before_a_move_is_accepted_for_the_new_day(
        self, connection: Connection, link: CoachingLink, monday: date, friday: date
    ) -> None:
        stale = Share.objects.select_related("link").get(pk=offer(link, on=monday).pk)
        planning.move(stale, friday, by=link.coach)
        stale.scheduled_for = monday
        sharing.accept(stale, by=link.athlete)
        assert Delivery.objects.get().day == friday


@pytest.mark.django_db
class TestThePlan:
    def test_an_offer_moves_and_the_athlete_is_told(self, link: CoachingLink, monday: date, friday: date) -> None:
        share = offer(link, on=monday)
        assert planning.move(share, friday, by=link.coach)
        share.refresh_from_db()
        assert share.scheduled_for == friday
        entry = AuditEntry.objects.get(action="share.moved")
        assert (entry.actor, entry.data) == (link.coach, {"was": monday.isoformat(), "on": friday.isoformat()})
        while events.dispatch_due():
            pass
        told = Notification.objects.get(template="share_moved", channel="in_app")
        assert told.recipient == link.athlete
        assert "Carla Coach moved “Easy run”" in told.context["text"]

    def test_the_athlete_may_move_it_too_and_the_coach_hears(
        self, link: CoachingLink, monday: date, friday: date
    ) -> None:
        assert planning.move(offer(link, on=monday), friday, by=link.athlete)
        while events.dispatch_due():
            pass
        assert Notification.objects.get(template="share_moved", channel="in_app").recipient == link.coach

    def test_to_the_day_where_it_is_changes_nothing(self, link: CoachingLink, monday: date) -> None:
        assert not planning.move(offer(link, on=monday), monday, by=link.coach)
        assert not AuditEntry.objects.filter(action="share.moved").exists()

    def test_a_day_that_has_the_workout_already_is_taken(self, link: CoachingLink, monday: date, friday: date) -> None:
        share = offer(link, on=monday)
        sharing.share_workout(share.revision, targets=[(link, friday)], by=link.coach)
        with pytest.raises(errors.ConflictError):
            planning.move(share, friday, by=link.coach)
        share.refresh_from_db()
        assert share.scheduled_for == monday

    @pytest.mark.parametrize("wrong", [-1, 367])
    def test_a_day_that_cannot_be_is_refused(self, link: CoachingLink, monday: date, wrong: int) -> None:
        share = offer(link, on=monday)
        with pytest.raises(errors.ValidationError):
            planning.move(share, today_of(link.athlete) + timedelta(days=wrong), by=link.coach)

    def test_today_is_the_athletes(self, link: CoachingLink, monday: date) -> None:
        """14 hours ahead of UTC it may be tomorrow already: what is over there is over."""
        link.athlete.time_zone = "Pacific/Kiritimati"
        link.athlete.save()
        share = offer(link, on=monday)
        today = today_of(link.athlete)
        with pytest.raises(errors.ValidationError):
            planning.move(share, today - timedelta(days=1), by=link.coach)
        assert planning.move(share, today, by=link.coach)

    def test_what_is_done_stays_on_its_day(self, link: CoachingLink, monday: date, friday: date) -> None:
        share = offer(link, on=monday)
        done = Activity.objects.create(
            athlete=link.athlete, source="file", external_id="1", sport="running", started_at=timezone.now(),
            day=monday, duration_s=1800, content_hash="0" * 64,
        )  # fmt: skip
        Match.objects.create(share=share, activity=done, how="day", percent=100)
        with pytest.raises(errors.ValidationError, match="done"):
            planning.move(share, friday, by=link.coach)

    def test_nobody_else_moves_it_and_not_after_the_end(
        self, link: CoachingLink, other_coach: User, stranger: User, monday: date, friday: date
    ) -> None:
        share = offer(link, on=monday)
        for person in (other_coach, stranger):
            with pytest.raises(errors.NotFoundError):
                planning.move(share, friday, by=person)
        sharing.withdraw(share, by=link.coach)
        with pytest.raises(errors.NotFoundError):
            planning.move(share, friday, by=link.coach)
        assert Share.objects.get().scheduled_for == monday
