"""What was done finds its plan: by the provider's link, else by day, sport and length; in whatever order it comes."""

import itertools
from datetime import UTC, datetime, time, timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from coaching.models import Activity, CoachingLink, Delivery, Match, Share
from coaching.services import matching
from integrations import errors
from integrations.models import Connection, Provider
from integrations.records import Sport
from tests.coaching.doings import DAY, did, dispatch, gone, plan, record
from tests.coaching.world import in_parallel

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(athlete: User, garmin_provider: Provider) -> Connection:
    return Connection.objects.create(
        user=athlete, provider=garmin_provider, status="active", external_account_id="1", delivers=True
    )


def copy_of(share: Share, account: Connection, remote_id: str) -> Delivery:
    return Delivery.objects.create(
        share=share, connection=account, revision=share.revision, marker=remote_id.rjust(10, "x"), status="delivered",
        remote_workout_id=remote_id, delivered_at=timezone.now(),
    )  # fmt: skip


def matches() -> dict[int, tuple[str, str, int | None]]:
    rows = Match.objects.exclude(activity=None).select_related("activity")
    return {row.share_id: (row.activity.external_id, row.how, row.percent) for row in rows if row.activity}


def test_same_day_sport_and_length(link: CoachingLink, athlete: User) -> None:
    share = plan(link)
    did(athlete, record("a", duration_s=1700.0))
    assert matches() == {share.pk: ("a", "day", 94)}


@pytest.mark.parametrize(
    "fields",
    [{"day": DAY + timedelta(days=1)}, {"sport": Sport.CYCLING}, {"duration_s": 1800 * 3.2}, {"duration_s": 500.0}],
    ids=["another day", "another sport", "far longer", "far shorter"],
)
def test_what_does_not_fit_is_not_taken(link: CoachingLink, athlete: User, fields: dict[str, object]) -> None:
    plan(link)
    did(athlete, record("a", **fields))  # type: ignore[arg-type]
    assert matches() == {}


def test_the_providers_link_counts_before_the_day(link: CoachingLink, athlete: User, account: Connection) -> None:
    """Done two days late, while something else of that length was done on the day itself."""
    share = plan(link)
    copy_of(share, account, "77")
    did(athlete, record("same day"))
    assert matches()[share.pk][0] == "same day"
    told = record("linked", day=DAY + timedelta(days=2), workout_id="77", duration_s=900.0)
    did(athlete, told, connection_id=account.pk)
    assert matches() == {share.pk: ("linked", "link", 50)}


def test_a_link_of_another_account_says_nothing(link: CoachingLink, athlete: User, account: Connection) -> None:
    copy_of(plan(link), account, "77")
    did(athlete, record("x", day=DAY + timedelta(days=2), workout_id="77"), source="strava")
    assert matches() == {}


def test_two_of_a_day_find_their_own(link: CoachingLink, athlete: User) -> None:
    short, long = plan(link, minutes=30), plan(link, minutes=90)
    did(athlete, record("90", at=time(18), duration_s=5300.0))
    did(athlete, record("30", at=time(6), duration_s=1900.0))
    assert {pk: row[0] for pk, row in matches().items()} == {short.pk: "30", long.pk: "90"}


def test_one_activity_is_one_session(link: CoachingLink, athlete: User) -> None:
    first = plan(link)
    plan(link)
    did(athlete, record("a"))
    assert set(matches()) == {first.pk}


def test_the_order_of_arrival_changes_nothing(link: CoachingLink, athlete: User, account: Connection) -> None:
    """All orders of four activities, one of them linked, two of them alike."""
    short, long = plan(link, minutes=30), plan(link, minutes=60)
    copy_of(long, account, "77")
    told = [
        record("a", duration_s=1800.0),
        record("b", at=time(9), duration_s=1800.0),
        record("c", at=time(12), duration_s=3600.0),
        record("d", at=time(15), duration_s=2400.0, workout_id="77"),
    ]
    for order in itertools.permutations(told):
        Activity.objects.all().delete()
        for one in order:
            did(athlete, one, connection_id=account.pk if one.workout_id else None)
        assert matches() == {short.pk: ("a", "day", 100), long.pk: ("d", "link", 67)}, [
            one.external_id for one in order
        ]


def test_an_edit_and_a_deletion_are_followed(link: CoachingLink, athlete: User) -> None:
    share = plan(link)
    did(athlete, record("a", duration_s=1800.0))
    assert matches()[share.pk][2] == 100
    did(athlete, record("a", duration_s=900.0))
    assert matches()[share.pk][2] == 50
    Activity.objects.update(gone_at=timezone.now())
    matching.match_days(athlete.pk, [DAY])
    assert matches() == {}
    did(athlete, record("a", duration_s=900.0))
    assert matches()[share.pk][2] == 50, "it came back"


def test_a_person_knows_better(link: CoachingLink, athlete: User, coach: User) -> None:
    share = plan(link)
    near, far = did(athlete, record("near")), did(athlete, record("far", day=DAY - timedelta(days=3), duration_s=600.0))
    assert matches()[share.pk][0] == "near"
    matching.rematch(share, far, by=coach)
    did(athlete, record("near", name="Renamed"))
    assert matches() == {share.pk: ("far", "manual", 33)}
    matching.unlink(share, by=athlete)
    did(athlete, record("near", name="Again"))
    assert matches() == {}
    matching.decide_by_itself(share, by=athlete)
    assert matches() == {share.pk: (near.external_id, "day", 100)}


def test_what_was_set_by_hand_is_measured_anew_when_it_is_edited(link: CoachingLink, athlete: User) -> None:
    share, far = plan(link), did(athlete, record("far", day=DAY - timedelta(days=3), duration_s=600.0))
    assert matching.rematch(share, far, by=athlete).percent == 33
    did(athlete, record("far", day=DAY - timedelta(days=3), duration_s=900.0))
    assert matches() == {share.pk: ("far", "manual", 50)}


def test_what_a_person_lets_go_is_free_on_its_own_day(link: CoachingLink, athlete: User) -> None:
    """The choice reached over to another day, whose own plan takes its activity back when the choice is."""
    there, here = plan(link, DAY - timedelta(days=3)), plan(link)
    far = did(athlete, record("far", day=DAY - timedelta(days=3)))
    for let_go in (matching.decide_by_itself, matching.unlink):
        matching.rematch(here, far, by=athlete)
        assert matches() == {here.pk: ("far", "manual", 100)}
        let_go(here, by=athlete)
        assert matches() == {there.pk: ("far", "day", 100)}


def test_a_choice_follows_what_is_merged(link: CoachingLink, athlete: User) -> None:
    """The file was chosen; then the watch's account tells of the same session."""
    first, second = plan(link), plan(link)
    file = did(athlete, record("f", device="99"), source="file")
    assert set(matches()) == {first.pk}
    matching.rematch(second, file, by=athlete)
    did(athlete, record("g", device="99"))
    assert matches() == {second.pk: ("g", "manual", 100)}


def test_a_withdrawn_plan_is_not_chosen(link: CoachingLink, athlete: User) -> None:
    share, one = plan(link), did(athlete, record("a"))
    Share.objects.filter(pk=share.pk).update(status="withdrawn")
    share.refresh_from_db()
    with pytest.raises(errors.ValidationError, match="withdrawn"):
        matching.rematch(share, one, by=athlete)


def test_what_is_gone_ends_the_match_of_another_day(link: CoachingLink, athlete: User, account: Connection) -> None:
    share, late = plan(link), DAY + timedelta(days=2)
    copy_of(share, account, "77")
    did(athlete, record("x", day=late, workout_id="77"), connection_id=account.pk)
    assert matches()[share.pk][:2] == ("x", "link")
    gone(athlete, "garmin", "x")
    assert matches() == {}


def test_a_withdrawn_plan_frees_what_was_done_on_another_day(
    link: CoachingLink, athlete: User, account: Connection
) -> None:
    share, late = plan(link), DAY + timedelta(days=2)
    other = plan(link, late)
    copy_of(share, account, "77")
    did(athlete, record("x", day=late, workout_id="77"), connection_id=account.pk)
    assert set(matches()) == {share.pk}
    Share.objects.filter(pk=share.pk).update(status="withdrawn")
    matching.match_days(athlete.pk, [DAY])
    assert matches() == {other.pk: ("x", "day", 100)}


def test_what_a_link_takes_from_another_day_leaves_room_there(
    link: CoachingLink, athlete: User, account: Connection
) -> None:
    """One day leads to the next: its plan's copy to an activity, that one's day to a plan and to what fits it now."""
    late = DAY + timedelta(days=2)
    other = plan(link, late)
    did(athlete, record("taken", day=late, workout_id="77"), connection_id=account.pk)
    did(athlete, record("spare", day=late, at=time(18), duration_s=1500.0))
    assert matches() == {other.pk: ("taken", "day", 100)}
    share = plan(link)
    copy_of(share, account, "77")
    matching.match_days(athlete.pk, [DAY])
    assert matches() == {share.pk: ("taken", "link", 100), other.pk: ("spare", "day", 83)}
    assert matching.match_days(athlete.pk, [DAY, late]) == 0


def test_nobody_takes_somebody_elses(link: CoachingLink, athlete: User, stranger: User) -> None:
    share, foreign = plan(link), did(stranger, record("x"))
    with pytest.raises(errors.ValidationError):
        matching.rematch(share, foreign, by=link.coach)
    assert matches() == {}


def test_taking_an_activity_from_another_plan(link: CoachingLink, athlete: User) -> None:
    first, second = plan(link), plan(link)
    one = did(athlete, record("a"))
    assert set(matches()) == {first.pk}
    matching.rematch(second, one, by=athlete)
    assert set(matches()) == {second.pk}


def test_a_withdrawn_plan_lets_its_activity_go(link: CoachingLink, athlete: User) -> None:
    first, second = plan(link), plan(link)
    did(athlete, record("a"))
    Share.objects.filter(pk=first.pk).update(status="withdrawn")
    matching.match_days(athlete.pk, [DAY])
    assert set(matches()) == {second.pk}


def test_a_plan_by_distance_is_measured_by_distance(link: CoachingLink, athlete: User) -> None:
    share = plan(link, minutes=None, distance_m=10_000)
    did(athlete, record("a", distance_m=9000.0))
    match = Match.objects.get()
    assert (match.share_id, match.basis, match.percent) == (share.pk, "distance", 90)


def test_no_figure_from_the_source_is_no_percentage(link: CoachingLink, athlete: User) -> None:
    plan(link, minutes=None, distance_m=10_000)
    did(athlete, record("a", distance_m=None))
    assert Match.objects.get().percent is None


def test_the_athletes_day_counts_not_ours(link: CoachingLink, athlete: User) -> None:
    """23:30 on Tuesday in Los Angeles is Wednesday morning in UTC."""
    share = plan(link)
    did(athlete, record("a", day=DAY + timedelta(days=1), at=time(7, 30), utc_offset_s=-8 * 3600))
    assert matches()[share.pk][0] == "a"


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_make_one_match(link: CoachingLink, athlete: User) -> None:
    share = plan(link)
    did(athlete, record("a"))
    Match.objects.all().delete()
    in_parallel(8, lambda: matching.match_days(athlete.pk, [DAY]))
    assert matches() == {share.pk: ("a", "day", 100)}


def test_nothing_is_written_twice(link: CoachingLink, athlete: User) -> None:
    plan(link)
    did(athlete, record("a"))
    before = Match.objects.get()
    assert matching.match_days(athlete.pk, [DAY]) == 0
    assert Match.objects.get().pk == before.pk


def test_what_is_merged_is_matched_by_the_one_that_stays(link: CoachingLink, athlete: User) -> None:
    share = plan(link)
    started = datetime.combine(DAY, time(6), tzinfo=UTC)
    did(athlete, record("f", at=started.time(), device="99"), source="file")
    assert matches()[share.pk][0] == "f"
    did(athlete, record("g", at=started.time(), device="99"))
    assert matches()[share.pk][0] == "g"


def test_a_match_event_for_an_unknown_share_is_nothing(link: CoachingLink) -> None:
    share = plan(link)
    share.delete()
    dispatch()
    assert matches() == {}
