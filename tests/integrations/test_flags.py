"""Who is in: the same people on every look, about as many as the percentage says, and nobody falls out as it grows."""

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from integrations import flags
from integrations.models import FeatureFlag

pytestmark = pytest.mark.django_db

PEOPLE = range(1, 10_001)
NAME = "garmin-sync"


def let_in(percentage: int, *, enabled: bool = True, name: str = NAME) -> set[int]:
    FeatureFlag.objects.update_or_create(name=name, defaults={"percentage": percentage, "enabled": enabled})
    flags.forget()
    return {person for person in PEOPLE if flags.is_on(name, person)}


@pytest.mark.parametrize("percentage", [1, 5, 20, 50, 80, 99])
def test_the_share_is_about_the_percentage(percentage: int) -> None:
    assert abs(len(let_in(percentage)) / len(PEOPLE) - percentage / 100) <= 0.03


def test_nobody_and_everybody() -> None:
    assert let_in(0) == set()
    assert let_in(100) == set(PEOPLE)
    assert let_in(100, enabled=False) == set()


def test_who_is_in_stays_in_while_it_grows() -> None:
    before: set[int] = set()
    for percentage in (0, 1, 10, 11, 50, 90, 100):
        now = let_in(percentage)
        assert before <= now
        before = now


def test_the_same_people_on_every_look_and_in_every_process() -> None:
    assert let_in(20) == let_in(20)
    assert sorted(let_in(1))[:5] == [196, 553, 583, 597, 613], "by the sha256 of name and number alone"


def test_another_flag_takes_other_people() -> None:
    both = let_in(20) & let_in(20, name="garmin-deliver")
    assert abs(len(both) / len(PEOPLE) - 0.04) <= 0.02, "as many in both as chance has it"


def test_a_flag_that_nobody_made_is_on() -> None:
    assert flags.is_on("unheard-of", 1)


def test_a_look_within_two_seconds_asks_nobody() -> None:
    let_in(20)
    with CaptureQueriesContext(database) as queries:
        for person in range(50):
            flags.is_on(NAME, person)
            flags.is_on("unheard-of", person)
    assert len(queries) == 0
