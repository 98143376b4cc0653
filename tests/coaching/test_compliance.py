"""How near to the plan a session was: what of the plan counts, and the word for it."""

import pytest

from accounts.models import User
from coaching import compliance
from coaching.models import WorkoutRevision
from integrations.records import End, EndKind, RepeatStep, Segment, Sport, WorkoutRecord, WorkoutStep
from tests.coaching.world import make_workout

pytestmark = pytest.mark.django_db

BY_TIME, BY_DISTANCE, OPEN = End(kind=EndKind.TIME, value=600), End(kind=EndKind.DISTANCE, value=1000), End()


def revision_of(coach: User, ends: list[End]) -> WorkoutRevision:
    """Half an hour, or 6 km, in steps that end so."""
    steps = tuple(WorkoutStep(end=end) for end in ends)
    segment = Segment(sport=Sport.RUNNING, steps=steps)
    revision = make_workout(coach, WorkoutRecord(name="x", sport=Sport.RUNNING, segments=(segment,))).current
    assert revision is not None
    revision.duration_s, revision.distance_m = 1800, 6000
    return revision


@pytest.mark.parametrize(
    ("ends", "basis"),
    [
        ([BY_TIME], "duration"),
        ([BY_DISTANCE], "distance"),
        ([BY_TIME, BY_DISTANCE], "duration"),
        ([BY_TIME, BY_DISTANCE, BY_DISTANCE], "distance"),
        ([BY_TIME, BY_TIME, BY_DISTANCE], "duration"),
        ([BY_DISTANCE, OPEN, OPEN, OPEN], "distance"),
        ([BY_TIME, OPEN, OPEN, OPEN], "duration"),
        ([OPEN], "duration"),
    ],
    ids=[
        "time",
        "distance",
        "as many",
        "most by distance",
        "most by time",
        "distance and open",
        "time and open",
        "open",
    ],
)
def test_a_plan_with_both_sums_is_measured_by_what_most_of_its_steps_end_with(
    coach: User, ends: list[End], basis: str
) -> None:
    """The other sum is an estimate. Steps that a person ends say nothing."""
    assert compliance.planned_of(revision_of(coach, ends)) == (basis, {"duration": 1800, "distance": 6000}[basis])


def test_a_step_of_a_group_counts_as_often_as_it_is_done(coach: User) -> None:
    """Ten times a kilometre between a warm-up, a cool-down and an easy end: most of it is by distance."""
    by_time = WorkoutStep(end=BY_TIME)
    intervals = RepeatStep(count=10, steps=(WorkoutStep(end=BY_DISTANCE),))
    segment = Segment(sport=Sport.RUNNING, steps=(by_time, intervals, by_time, by_time))
    revision = make_workout(coach, WorkoutRecord(name="x", sport=Sport.RUNNING, segments=(segment,))).current
    assert revision is not None
    revision.duration_s, revision.distance_m = 1800, 6000
    assert compliance.planned_of(revision) == ("distance", 6000)


def test_the_sum_that_is_there_counts_and_none_is_none(coach: User) -> None:
    revision = revision_of(coach, [BY_TIME, BY_DISTANCE, BY_DISTANCE])
    revision.distance_m = None
    assert compliance.planned_of(revision) == ("duration", 1800)
    revision.duration_s, revision.distance_m = None, 6000
    assert compliance.planned_of(revision) == ("distance", 6000)
    revision.distance_m = None
    assert compliance.planned_of(revision) is None
