"""The calendar: what it shows, how a session is moved on it, and how a week goes to a group."""

import re
from datetime import date, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import AuditEntry, User
from coaching.models import CoachingLink, Delivery, Share, Workout
from coaching.services import grouping, planning, sharing
from coaching.weeks import today_of, week_of
from integrations import errors
from integrations.models import Provider
from tests.coaching.roster_world import account, ago, crowd, done, planned, trained_by
from tests.coaching.world import easy_run, revise

pytestmark = pytest.mark.django_db
CALENDAR, COPY = "/calendar/", "/calendar/copy/"


@pytest.fixture
def ben(coach: User) -> CoachingLink:
    return trained_by(coach)


@pytest.fixture
def next_week(ben: CoachingLink) -> date:
    """Its Monday."""
    return week_of(today_of(ben.athlete)) + timedelta(days=7)


def cell(page: str, link: CoachingLink, day: date) -> str:
    found = re.search(rf'<td data-row="{link.public_id}" data-day="{day}".*?</td>', page, re.DOTALL)
    assert found, f"no cell for {day}"
    return found[0]


class TestWhatItShows:
    def test_each_cell_holds_its_sessions_in_words(self, as_coach: Client, ben: CoachingLink, next_week: date) -> None:
        planned(ben, next_week, name="Hill sprints")
        page = as_coach.get(CALENDAR, {"day": next_week.isoformat()}).text
        assert "Hill sprints" in cell(page, ben, next_week)
        assert "Planned" in cell(page, ben, next_week)
        assert "session" not in cell(page, ben, next_week + timedelta(days=1))
        for day, said in ((ago(ben, 1), "Missed"), (ago(ben, 2), "Near it, 60 %")):
            share = planned(ben, day)
            if day == ago(ben, 2):
                done(ben, day, share, percent=60)
            assert said in cell(as_coach.get(CALENDAR, {"day": day.isoformat()}).text, ben, day)

    @pytest.mark.parametrize(("starts", "first"), [(0, date(2026, 11, 30)), (6, date(2026, 11, 29))])
    def test_a_week_starts_as_the_coach_counts(
        self, as_coach: Client, coach: User, ben: CoachingLink, starts: int, first: date
    ) -> None:
        User.objects.filter(pk=coach.pk).update(week_start=starts)
        days = re.findall(r'data-day="([^"]+)"', as_coach.get(CALENDAR, {"day": "2026-12-02"}).text)
        assert days == [(first + timedelta(days=number)).isoformat() for number in range(7)]

    @pytest.mark.parametrize(("day", "length"), [("2028-02-10", 29), ("2026-12-31", 31)])
    def test_a_month_shows_all_its_days(self, as_coach: Client, ben: CoachingLink, day: str, length: int) -> None:
        page = as_coach.get(CALENDAR, {"view": "month", "day": day}).text
        assert page.count(f'data-row="{ben.public_id}"') == length

    @pytest.mark.parametrize("day", ["", "x", "0001-01-01", "9999-12-31", "2026-02-30"])
    def test_a_day_that_is_none_is_today(self, as_coach: Client, ben: CoachingLink, day: str) -> None:
        for view in ("week", "month"):
            page = as_coach.get(CALENDAR, {"day": day, "view": view}).text
            assert 'aria-current="date"' in page

    def test_it_shows_a_group(self, as_coach: Client, coach: User, ben: CoachingLink) -> None:
        chen = trained_by(coach, "Chen Wei")
        track = grouping.make(coach, "Track", [chen])
        page = as_coach.get(CALENDAR, {"group": str(track.public_id)}).text
        assert "Chen Wei" in page
        assert "Ben Breeze" not in page

    def test_another_coachs_plan_is_not_there(
        self, as_coach: Client, other_coach: User, ben: CoachingLink, next_week: date
    ) -> None:
        """Of the same athlete, too."""
        theirs = CoachingLink.objects.create(coach=other_coach, athlete=ben.athlete, scopes=["plan"])
        planned(theirs, next_week, name="Secret session")
        planned(trained_by(other_coach, "Zoe Zander"), next_week)
        page = as_coach.get(CALENDAR, {"day": next_week.isoformat()}).text
        assert "Secret session" not in page
        assert "Zoe Zander" not in page

    @pytest.mark.parametrize("count", [2, 30])
    @pytest.mark.parametrize("view", ["week", "month"])
    def test_it_takes_eight_queries_for_two_and_for_thirty(
        self,
        as_coach: Client,
        coach: User,
        count: int,
        view: str,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        grouping.make(coach, "All", crowd(coach, count))
        with django_assert_max_num_queries(8):
            page = as_coach.get(CALENDAR, {"view": view}).text
        assert page.count('scope="row"') == min(count, 25)


class TestMoving:
    def test_the_form_works_without_script_and_leads_back(
        self, as_coach: Client, ben: CoachingLink, next_week: date
    ) -> None:
        share = planned(ben, next_week)
        back = f"/calendar/?day={next_week}"
        address = reverse("coaching:move", args=[share.public_id])
        assert next_week.isoformat() in as_coach.get(address, {"back": back}).text
        friday = next_week + timedelta(days=4)
        answer = as_coach.post(address, {"on": friday, "back": back})
        assert answer["Location"] == f"{back}#s-{share.public_id}"
        share.refresh_from_db()
        assert share.scheduled_for == friday

    @pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "\\\\evil"])
    def test_it_leads_nowhere_foreign(self, as_coach: Client, ben: CoachingLink, next_week: date, back: str) -> None:
        share = planned(ben, next_week)
        address = reverse("coaching:move", args=[share.public_id])
        answer = as_coach.post(address, {"on": next_week + timedelta(days=1), "back": back})
        assert answer["Location"].startswith("/calendar/")
        assert "evil" not in as_coach.get(address, {"back": back}).text

    @pytest.mark.parametrize("on", ["", "tomorrow", "2020-01-01", "2999-01-01"])
    def test_what_cannot_be_is_said(self, as_coach: Client, ben: CoachingLink, next_week: date, on: str) -> None:
        share = planned(ben, next_week)
        answer = as_coach.post(reverse("coaching:move", args=[share.public_id]), {"on": on})
        assert answer.status_code == 400
        assert "errorlist" in answer.text
        share.refresh_from_db()
        assert share.scheduled_for == next_week

    def test_it_says_what_becomes_of_a_copy_that_arrived(
        self, as_coach: Client, ben: CoachingLink, next_week: date, garmin_provider: Provider
    ) -> None:
        share = planned(ben, next_week)
        address = reverse("coaching:move", args=[share.public_id])
        assert "comes off the old day" not in as_coach.get(address).text
        Delivery.objects.create(
            share=share, revision=share.revision, connection=account(ben, garmin_provider), status="delivered",
            remote_workout_id="1", delivered_at="2026-01-01T00:00Z", day=next_week, sent_day=next_week,
        )  # fmt: skip
        assert "comes off the old day" in as_coach.get(address).text

    def test_only_what_may_move_can_be_dragged(self, as_coach: Client, ben: CoachingLink) -> None:
        done(ben, ago(ben, 0), planned(ben, ago(ben, 0), name="Over"))
        planned(ben, ago(ben, 0), name="Still to do")
        shown = cell(as_coach.get(CALENDAR).text, ben, ago(ben, 0))
        assert re.findall(r'data-name="([^"]+)"', shown) == ["Still to do"]


class TestCopyingAWeek:
    @pytest.fixture
    def source(self, coach: User, ben: CoachingLink, next_week: date) -> CoachingLink:
        """Two workouts on Tuesday and one on Sunday of next week."""
        for day, name in ((1, "Track"), (1, "Core"), (6, "Long run")):
            planned(ben, next_week + timedelta(days=day), name=name)
        return ben

    @pytest.fixture
    def track(self, coach: User, ben: CoachingLink) -> list[CoachingLink]:
        """The group's members; the source is one of them."""
        members = [ben, trained_by(coach, "Chen Wei"), trained_by(coach, "Dana Dunes")]
        grouping.make(coach, "Track", members)
        return members

    def form(self, coach: User, source: CoachingLink, monday: date, weeks: int = 1) -> dict[str, str]:
        group = coach.athlete_groups.get()
        return {
            "source": str(source.public_id), "group": str(group.public_id),
            "from_day": (monday + timedelta(days=3)).isoformat(),
            "to_day": (monday + timedelta(days=7 * weeks + 2)).isoformat(),
        }  # fmt: skip

    def test_first_a_list_then_just_that(
        self, as_coach: Client, coach: User, source: CoachingLink, track: list[CoachingLink], next_week: date
    ) -> None:
        form, before = self.form(coach, source, next_week), Share.objects.count()
        page = as_coach.get(COPY, form).text
        assert "Offer 9 workouts" in page
        assert Share.objects.count() == before, "looking changes nothing"
        answer = as_coach.post(COPY, form)
        assert answer["Location"].startswith(f"{CALENDAR}?day=")
        for link in track:
            days = link.shares.filter(scheduled_for__gte=next_week + timedelta(days=7)).order_by("scheduled_for")
            assert [(share.scheduled_for - next_week).days for share in days if share.scheduled_for] == [8, 8, 13]
        assert AuditEntry.objects.filter(action="workout.shared", actor=coach).count() == 3

    def test_twice_is_once(
        self, as_coach: Client, coach: User, source: CoachingLink, track: list[CoachingLink], next_week: date
    ) -> None:
        form = self.form(coach, source, next_week)
        as_coach.post(COPY, form)
        count = Share.objects.count()
        assert "Everybody has everything of that week already." in as_coach.get(COPY, form).text
        assert "They have it all already." in as_coach.post(COPY, form, follow=True).text
        assert Share.objects.count() == count

    def test_into_the_same_week_it_goes_to_the_others(
        self, coach: User, source: CoachingLink, track: list[CoachingLink], next_week: date
    ) -> None:
        rows = planning.copies(source, next_week, track, next_week)
        assert {row.link for row in rows} == set(track[1:])
        assert planning.copy_week(rows, by=coach) == 6
        assert source.shares.count() == 3

    def test_days_that_are_over_and_workouts_that_left_the_library_stay_out(
        self, coach: User, ben: CoachingLink, track: list[CoachingLink]
    ) -> None:
        today = today_of(ben.athlete)
        monday = week_of(today)
        for number in range(7):
            planned(ben, monday - timedelta(days=7) + timedelta(days=number))
        rows = planning.copies(ben, monday - timedelta(days=7), track[1:2], monday)
        assert [row.day for row in rows] == [
            monday + timedelta(days=number) for number in range(7) if monday + timedelta(days=number) >= today
        ]
        Workout.objects.update(archived_at="2026-01-01T00:00Z")
        assert planning.copies(ben, monday - timedelta(days=7), track[1:2], monday) == []

    def test_a_workout_goes_out_as_it_is_now(
        self, coach: User, source: CoachingLink, track: list[CoachingLink], next_week: date
    ) -> None:
        newest = revise(Workout.objects.get(current__name="Track"), easy_run("Track, longer"))
        rows = planning.copies(source, next_week, track[1:], next_week)
        assert {row.revision for row in rows if row.revision.workout_id == newest.workout_id} == {newest}

    def test_past_the_days_limit_nothing_at_all_goes(
        self,
        as_coach: Client,
        coach: User,
        source: CoachingLink,
        track: list[CoachingLink],
        next_week: date,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        count = Share.objects.count()
        monkeypatch.setattr(sharing, "MOST_A_DAY", count + 5)
        answer = as_coach.post(COPY, self.form(coach, source, next_week))
        assert answer.status_code == 429
        assert "the limit" in answer.text
        assert Share.objects.count() == count
        monkeypatch.setattr(planning, "MOST_COPIES", 5)
        with pytest.raises(errors.ValidationError):
            planning.copy_week(planning.copies(source, next_week, track, next_week + timedelta(days=7)), by=coach)

    def test_what_is_not_the_coachs_is_no_choice(
        self, as_coach: Client, coach: User, source: CoachingLink, track: list[CoachingLink], next_week: date,
        other_coach: User,
    ) -> None:  # fmt: skip
        foreign = trained_by(other_coach, "Zoe Zander")
        theirs = grouping.make(other_coach, "Theirs", [foreign])
        count = Share.objects.count()
        for wrong in ({"source": str(foreign.public_id)}, {"group": str(theirs.public_id)}, {"to_day": "2020-01-01"}):
            answer = as_coach.post(COPY, self.form(coach, source, next_week) | wrong)
            assert answer.status_code == 400
            assert "errorlist" in answer.text
            assert "Zoe Zander" not in answer.text
        assert Share.objects.count() == count
