"""Two tellings of one activity: merged by themselves on strong evidence alone, else the athlete decides."""

import itertools
from datetime import time, timedelta

import pytest

from accounts.models import User
from coaching import policies
from coaching.models import Activity, DailyTotal, DuplicatePair
from coaching.services import duplicates
from integrations import errors
from integrations.models import Provider
from integrations.records import ActivityRecord, Sport
from tests.coaching.doings import DAY, did, gone, record

pytestmark = pytest.mark.django_db


def counted() -> int:
    return sum(DailyTotal.objects.values_list("activities_n", flat=True))


def live(athlete: User) -> set[str]:
    return set(Activity.objects.of(athlete).values_list("source", flat=True))


def pair_of(athlete: User, **fields: object) -> DuplicatePair:
    did(athlete, record("g"))
    did(athlete, record("s", **fields), source="strava")  # type: ignore[arg-type]
    return DuplicatePair.objects.get()


@pytest.mark.parametrize(
    ("fields", "alike"),
    [
        ({}, True),
        ({"at": time(6, 2)}, True),
        ({"at": time(6, 2, 1)}, False),
        ({"duration_s": 1890.0}, True),
        ({"duration_s": 1900.0}, False),
        ({"sport": Sport.CYCLING}, False),
        ({"day": DAY + timedelta(days=1)}, False),
    ],
)
def test_what_counts_as_alike(athlete: User, fields: dict[str, object], alike: bool) -> None:
    did(athlete, record("g"))
    did(athlete, record("s", **fields), source="strava")  # type: ignore[arg-type]
    assert DuplicatePair.objects.filter(state="open").exists() == alike
    assert live(athlete) == {"garmin", "strava"}, "nothing happens by itself"


def test_one_source_may_tell_two_of_the_same_time(athlete: User) -> None:
    did(athlete, record("1"))
    did(athlete, record("2"))
    assert not DuplicatePair.objects.exists()


def test_the_same_device_at_the_same_second_is_one(athlete: User) -> None:
    did(athlete, record("f", device="99"), source="file")
    did(athlete, record("g", device="99"))
    assert live(athlete) == {"garmin"}
    assert counted() == 1


def test_whichever_comes_first_the_same_one_stays(athlete: User) -> None:
    told: list[tuple[str, ActivityRecord]] = [
        ("file", record("f", device="9")),
        ("garmin", record("g", device="9")),
        ("partner", record("p", device="9", workout_id="7")),
    ]
    for order in itertools.permutations(told):
        Activity.objects.all().delete()
        for source, one in order:
            did(athlete, one, source=source)
        assert live(athlete) == {"partner"}, [source for source, _ in order]
        assert counted() == 1


def test_terms_that_forbid_merging_are_kept(athlete: User, transactional_db: None) -> None:
    Provider.objects.filter(slug="strava").update(may_merge=False)
    policies.forget()
    did(athlete, record("g", device="99"))
    did(athlete, record("s", device="99"), source="strava")
    pair = DuplicatePair.objects.get()
    assert pair.state == "open"
    with pytest.raises(errors.ValidationError, match="terms"):
        duplicates.merge(pair, by=athlete)
    assert duplicates.hide(pair, pair.second, by=athlete)
    assert live(athlete) == {"garmin"}


@pytest.mark.parametrize("decision", ["merge", "keep", "hide"])
def test_the_athlete_decides_and_may_take_it_back(athlete: User, decision: str) -> None:
    Provider.objects.update(may_merge=True)
    policies.forget()
    pair = pair_of(athlete)
    if decision == "merge":
        assert duplicates.merge(pair, by=athlete)
    elif decision == "hide":
        assert duplicates.hide(pair, pair.first, by=athlete)
    else:
        assert duplicates.keep_both(pair, by=athlete)
    assert counted() == len(live(athlete)) == (2 if decision == "keep" else 1)
    assert not duplicates.open_pairs(athlete)
    did(athlete, record("g", name="Edited"))
    assert not duplicates.open_pairs(athlete), "what was decided stays decided"
    assert counted() == (2 if decision == "keep" else 1)
    pair.refresh_from_db()
    assert duplicates.undo(pair, by=athlete)
    assert counted() == 2
    assert duplicates.open_pairs(athlete) == [pair], "and decides anew"
    assert duplicates.merge(pair, by=athlete)
    assert counted() == 1


def test_a_second_decision_changes_nothing(athlete: User) -> None:
    pair = pair_of(athlete)
    assert duplicates.keep_both(pair, by=athlete)
    assert not duplicates.hide(pair, pair.first, by=athlete)
    assert live(athlete) == {"garmin", "strava"}


def test_what_was_taken_apart_by_hand_is_not_merged_by_itself_again(athlete: User) -> None:
    did(athlete, record("f", device="99"), source="file")
    did(athlete, record("g", device="99"))
    assert duplicates.undo(DuplicatePair.objects.get(), by=athlete)
    did(athlete, record("g", device="99", name="Edited"))
    assert live(athlete) == {"file", "garmin"}
    assert counted() == 2


def test_what_a_person_keeps_apart_comes_together_by_no_detour(athlete: User) -> None:
    did(athlete, record("f", device="99"), source="file")
    did(athlete, record("g", device="99"))
    duplicates.undo(DuplicatePair.objects.get(), by=athlete)
    did(athlete, record("p", device="99"), source="partner")
    assert live(athlete) == {"file", "garmin"}, "the third goes into the first that it is"
    assert counted() == 2


def test_merged_by_hand_counts_again_while_the_other_is_gone(athlete: User) -> None:
    pair = pair_of(athlete)
    Provider.objects.update(may_merge=True)
    policies.forget()
    duplicates.merge(pair, by=athlete)
    assert live(athlete) == {"garmin"}
    gone(athlete, "garmin")
    assert live(athlete) == {"strava"}
    assert counted() == 1
    did(athlete, record("g"))
    assert live(athlete) == {"garmin"}, "it is back, and the decision stands"


def test_evidence_that_comes_later_counts_and_so_does_its_loss(athlete: User) -> None:
    did(athlete, record("f", device="99"), source="file")
    did(athlete, record("g"))
    assert live(athlete) == {"file", "garmin"}
    did(athlete, record("g", device="99"))
    assert live(athlete) == {"garmin"}
    did(athlete, record("g"))
    assert live(athlete) == {"file", "garmin"}
    assert len(duplicates.open_pairs(athlete)) == 1


def test_an_edit_that_parts_them_takes_the_pair_back(athlete: User) -> None:
    pair_of(athlete)
    did(athlete, record("s", duration_s=3600.0), source="strava")
    assert not DuplicatePair.objects.exists()
    did(athlete, record("f", device="9", at=time(12)), source="file")
    did(athlete, record("h", device="9", at=time(12)))
    assert counted() == 3
    did(athlete, record("h", device="9", at=time(15)))
    assert counted() == 4, "merged by itself, so taken back by itself"


def test_what_stays_goes_and_the_other_counts_again(athlete: User) -> None:
    did(athlete, record("f", device="99"), source="file")
    stays = did(athlete, record("g", device="99"))
    Activity.objects.filter(pk=stays.pk).update(gone_at="2026-11-20T00:00Z")
    duplicates.find(athlete.pk, [stays.pk])
    assert live(athlete) == {"file"}


def test_pairs_are_ones_own(athlete: User, stranger: User) -> None:
    did(athlete, record("g"))
    did(stranger, record("s"), source="strava")
    assert not DuplicatePair.objects.exists()
