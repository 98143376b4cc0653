"""Offers: idempotent, in one go for many, answered once, taken back at once."""

from datetime import date, timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from coaching.models import CoachingLink, Delivery, DeliveryStatus, Share, ShareStatus
from coaching.services import sharing
from integrations import errors
from integrations.models import Connection, DomainEvent, Provider, ProviderMode
from integrations.records import Segment, Sport, WorkoutRecord
from tests.coaching.world import TUESDAY, accepted, easy_run, make_workout, offer, revise

pytestmark = pytest.mark.django_db
MANY = 1000


@pytest.fixture
def connection(athlete: User, garmin_provider: Provider) -> Connection:
    return Connection.objects.create(
        user=athlete, provider=garmin_provider, status="active", external_account_id="1", delivers=True
    )


def make_links(coach: User, count: int, **fields: object) -> list[CoachingLink]:
    people = User.objects.bulk_create([User(email=f"a{n}@example.org") for n in range(count)])
    return CoachingLink.objects.bulk_create([CoachingLink(coach=coach, athlete=p, **fields) for p in people])


def test_sharing_twice_offers_once(link: CoachingLink) -> None:
    share = offer(link)
    workout = share.workout
    assert workout.current is not None
    again = [(link, TUESDAY), (link, TUESDAY)]
    assert sharing.share_workout(workout.current, targets=again, by=link.coach) == 0
    assert sharing.share_workout(workout.current, targets=[(link, None)], by=link.coach) == 1
    assert sharing.share_workout(workout.current, targets=[(link, TUESDAY + timedelta(1))], by=link.coach) == 1
    assert Share.objects.count() == 3
    assert DomainEvent.objects.filter(type="workout.shared").count() == 3


def test_a_thousand_athletes_are_a_handful_of_statements(coach: User, garmin_provider: Provider) -> None:
    links = make_links(coach, MANY - 3) + [
        CoachingLink.objects.create(
            coach=coach, athlete=User.objects.create_user(f"b{n}@example.org"), auto_import=True
        )
        for n in range(3)
    ]
    workout = make_workout(coach)
    assert workout.current is not None
    with CaptureQueriesContext(database) as queries:
        made = sharing.share_workout(workout.current, targets=[(link, TUESDAY) for link in links], by=coach)
    assert made == len(links)
    assert len(queries) < 20
    assert DomainEvent.objects.filter(type="workout.shared").count() == made
    assert Delivery.objects.count() == 3


def test_links_of_others_and_ended_ones_are_passed_over(coach: User, link: CoachingLink, other_coach: User) -> None:
    theirs = CoachingLink.objects.create(coach=other_coach, athlete=link.athlete)
    ended = make_links(coach, 1, status="ended", ended_at=timezone.now())
    workout = make_workout(coach)
    assert workout.current is not None
    targets: list[tuple[CoachingLink, date | None]] = [(each, TUESDAY) for each in (theirs, *ended)]
    assert sharing.share_workout(workout.current, targets=targets, by=coach) == 0
    assert not Share.objects.exists()


def test_the_days_limit_undoes_the_whole_post(coach: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MOST_A_DAY", 5)
    links = make_links(coach, 6)
    workout = make_workout(coach)
    assert workout.current is not None
    assert sharing.share_workout(workout.current, targets=[(link, None) for link in links[:5]], by=coach) == 5
    with pytest.raises(errors.ThrottledError, match="limit") as refusal:
        sharing.share_workout(workout.current, targets=[(links[5], None)], by=coach)
    assert refusal.value.retry_after is not None
    assert 80_000 < refusal.value.retry_after <= 86_400
    assert Share.objects.count() == 5
    assert sharing.share_workout(workout.current, targets=[(links[0], None)], by=coach) == 0


def test_a_message_is_plain_text(link: CoachingLink) -> None:
    workout = make_workout(link.coach)
    assert workout.current is not None
    message = "<b>Go</b> \u202eesrever\u2066\x00\x1b[31m 🚴\r\nline two " + "x" * 2000
    sharing.share_workout(workout.current, targets=[(link, None)], by=link.coach, message=message)
    kept = Share.objects.get().message
    assert kept.startswith("<b>Go</b> esrever[31m 🚴\nline two x")
    assert len(kept) <= 1000


def test_links_that_import_by_themselves_are_on_their_way_at_once(link: CoachingLink, connection: Connection) -> None:
    CoachingLink.objects.update(auto_import=True)
    share = offer(link)
    assert share.status == ShareStatus.ACCEPTED
    delivery = Delivery.objects.get()
    assert (delivery.share, delivery.connection, delivery.status) == (share, connection, DeliveryStatus.PENDING)


def test_only_the_athlete_answers_and_only_once(link: CoachingLink, stranger: User, connection: Connection) -> None:
    share = offer(link)
    for person in (stranger, link.coach):
        assert sharing.accept(share, by=person) is None
        assert not sharing.decline(share, by=person)
        assert Share.objects.get().status == ShareStatus.OFFERED
    assert sharing.decline(share, by=link.athlete)
    assert not sharing.decline(share, by=link.athlete)
    assert sharing.accept(share, by=link.athlete) is None
    assert DomainEvent.objects.filter(type="share.declined").count() == 1
    assert not Delivery.objects.exists()


def test_declining_later_cancels_what_is_on_its_way_but_not_what_arrived(
    link: CoachingLink, connection: Connection
) -> None:
    delivery = accepted(link)
    assert sharing.decline(delivery.share, by=link.athlete)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error_code) == (DeliveryStatus.CANCELLED, "declined")
    arrived = accepted(link)
    Delivery.objects.filter(pk=arrived.pk).update(
        status="delivered", remote_workout_id="7", delivered_at=timezone.now()
    )
    assert not sharing.decline(arrived.share, by=link.athlete)


def test_only_the_coach_withdraws(link: CoachingLink, connection: Connection, other_coach: User) -> None:
    delivery = accepted(link)
    for person in (link.athlete, other_coach):
        assert not sharing.withdraw(delivery.share, by=person, remove_remote=True)
    assert sharing.withdraw(delivery.share, by=link.coach)
    assert not sharing.withdraw(delivery.share, by=link.coach)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error_code, delivery.remove_remote) == ("cancelled", "withdrawn", False)
    assert sharing.accept(delivery.share, by=link.athlete) is None
    assert workout_offered_again(delivery.share)


def workout_offered_again(share: Share) -> bool:
    revision = share.revision
    return sharing.share_workout(revision, targets=[(share.link, TUESDAY)], by=share.link.coach) == 1


def test_a_new_revision_takes_the_place_of_the_old_offer(link: CoachingLink, connection: Connection) -> None:
    share = offer(link)
    newer = revise(share.workout, easy_run("Longer run"))
    assert sharing.share_workout(newer, targets=[(link, TUESDAY)], by=link.coach) == 1
    assert sharing.share_workout(newer, targets=[(link, TUESDAY)], by=link.coach) == 0
    share.refresh_from_db()
    assert (share.revision, share.status) == (newer, ShareStatus.OFFERED)
    assert Share.objects.count() == 1
    assert DomainEvent.objects.filter(type="workout.shared", payload__again=True).count() == 1


def test_a_failed_copy_goes_out_again_with_a_new_revision(link: CoachingLink, connection: Connection) -> None:
    delivery = accepted(link)
    Delivery.objects.update(status="failed", error_code="unsupported", error_detail="Step 1", attempts=6)
    newer = revise(delivery.share.workout, easy_run("Simpler run"))
    sharing.share_workout(newer, targets=[(link, TUESDAY)], by=link.coach)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.revision, delivery.attempts) == (DeliveryStatus.PENDING, newer, 0)
    assert delivery.error_code == ""


def test_preflight_tells_what_each_athlete_has_to_do(coach: User, garmin_provider: Provider) -> None:
    links = make_links(coach, 4)
    for link, status in zip(links, ("active", "needs_reauth", "paused"), strict=False):
        Connection.objects.create(
            user=link.athlete, provider=garmin_provider, status=status, external_account_id=str(link.pk)
        )
    workout = make_workout(coach)
    assert workout.current is not None
    with CaptureQueriesContext(database) as queries:
        checks = sharing.preflight(workout.current, links=links)
    assert len(queries) == 3, "accounts, windows and flags, however many athletes"
    assert [(check.link, check.state) for check in checks] == list(
        zip(links, ("ready", "warning", "warning", "warning"), strict=True)
    )
    words = [check.reason for check in checks]
    assert words[0] == ""
    for part, reason in zip(("new login", "paused", "connected yet"), words[1:], strict=True):
        assert part in reason
    Provider.objects.update(mode=ProviderMode.HOLD, notice="Garmin is being repaired.")
    assert "being repaired" in sharing.preflight(workout.current, links=links)[0].reason


def test_preflight_names_the_step_that_cannot_be_expressed(link: CoachingLink, connection: Connection) -> None:
    odd = WorkoutRecord(name="", sport=Sport.RUNNING, segments=(Segment(sport=Sport.RUNNING),))
    workout = make_workout(link.coach, odd)
    assert workout.current is not None
    (check,) = sharing.preflight(workout.current, links=[link])
    assert check.state == "blocked"
    assert "no name" in check.reason
