"""Laps and series of an activity: read from the provider when somebody looks, and kept as its terms allow."""

import os
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from accounts.models import User
from coaching import policies, tasks
from coaching.files import reading
from coaching.models import Activity, ActivityDetail, ActivityFile, CoachingLink, Scope
from coaching.services import detailing
from coaching.services.detailing import State
from integrations import control
from integrations.models import Connection, Provider
from integrations.sandbox import RunningSandbox
from tests.coaching.activity_world import stored
from tests.coaching.world import Account

SPLITS = "GET /api/activity-service/activity/{identity}/splits"
DETAILS = "GET /api/activity-service/activity/{identity}/details"
FILE = "GET /api/download-service/files/activity/{identity}"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = str(tmp_path)


@pytest.fixture
def ridden(athlete: User, connection: Connection, account: Account) -> Activity:
    """One that is at the provider, too."""
    row = next(row for row in account.person["activities"] if row["activityType"]["typeKey"] == "cycling")
    return stored(athlete, str(row["activityId"]), connection=connection, sport="cycling", duration_s=row["duration"])


@pytest.fixture
def as_athlete(client: Client, athlete: User) -> Client:
    client.force_login(athlete)
    return client


def shown(activity: Activity, viewer: User) -> detailing.Look:
    return detailing.look(activity, viewer, with_heart_rate=True)


def share(link: CoachingLink, *scopes: Scope) -> None:
    link.scopes = [Scope.PLAN, *scopes]
    link.save()


def page(client: Client, activity: Activity, name: str = "activity") -> str:
    return client.get(reverse(f"coaching:{name}", args=[activity.public_id])).text


def test_a_page_asks_once_does_not_wait_and_shows_what_came(
    as_athlete: Client, athlete: User, ridden: Activity, account: Account
) -> None:
    for _ in range(3):
        assert "being read from Garmin" in page(as_athlete, ridden)
    assert account.calls(DETAILS) == 0
    tasks.read_details(ridden.pk, athlete.pk)
    text = page(as_athlete, ridden, "activity_details")
    assert all(f"curve-{name}" in text for name in ("heart_rate", "speed", "power"))
    assert "hx-get" not in text
    assert "The same figures as a table" in text
    detail = ActivityDetail.objects.get(activity=ridden)
    assert 100 < len(detail.series["time_s"]) <= 600
    assert len(detail.laps) == -(-int(ridden.duration_s) // 600)
    tasks.read_details(ridden.pk, athlete.pk)
    assert account.calls(DETAILS) == 1


def test_looks_that_nobody_answers_end_with_words(as_athlete: Client, ridden: Activity) -> None:
    address = reverse("coaching:activity_details", args=[ridden.public_id])
    assert "looks=2" in as_athlete.get(address, {"looks": "1"}).text
    text = as_athlete.get(address, {"looks": "39"}).text
    assert "has not answered yet" in text
    assert "hx-get" not in text


@pytest.mark.parametrize("fault", ["500", "403", "html", "429"])
def test_the_rest_of_the_page_stands_while_the_provider_is_away(
    as_athlete: Client, athlete: User, ridden: Activity, account: Account, no_repeats: None, fault: str
) -> None:
    account.behaves(fault)
    detailing.read(ridden.pk, athlete.pk)
    text = page(as_athlete, ridden)
    assert "Laps and curves are not here now." in text
    assert "6 km" in text
    assert not ActivityDetail.objects.exists()


def test_a_provider_that_is_on_hold_is_not_asked(
    athlete: User, ridden: Activity, account: Account, garmin_provider: Provider
) -> None:
    Provider.objects.update(mode="hold", notice="Back at noon.")
    control.forget()
    fresh = Activity.objects.select_related("connection__provider").get(pk=ridden.pk)
    assert shown(fresh, athlete).words == "Back at noon."
    detailing.read(ridden.pk, athlete.pk)
    assert account.calls(DETAILS, SPLITS) == 0


def test_consent_that_ends_while_the_task_is_queued_leaves_the_provider_alone(
    coach: User, link: CoachingLink, ridden: Activity, account: Account
) -> None:
    share(link, Scope.ACTIVITIES)
    assert shown(ridden, coach).state == State.READING
    share(link)
    tasks.read_details(ridden.pk, coach.pk)
    assert account.calls(DETAILS, SPLITS) == 0
    assert not ActivityDetail.objects.exists()


def test_consent_that_ends_while_the_provider_answers_keeps_nothing(
    coach: User, link: CoachingLink, ridden: Activity, account: Account
) -> None:
    share(link, Scope.ACTIVITIES)
    account.when(DETAILS, lambda: share(link))
    tasks.read_details(ridden.pk, coach.pk)
    assert account.calls(DETAILS) == 1
    assert not ActivityDetail.objects.exists()


def test_heart_rate_is_taken_out_of_laps_and_series_for_who_may_not_see_it(
    athlete: User, coach: User, link: CoachingLink, ridden: Activity
) -> None:
    detailing.read(ridden.pk, athlete.pk)
    own = shown(ridden, athlete).details
    assert own.heart_rate
    assert own.laps[0].avg_hr
    share(link, Scope.ACTIVITIES)
    assert not detailing.sees_heart_rate(ridden, coach)
    without = detailing.look(ridden, coach, with_heart_rate=False).details
    assert without.heart_rate == ()
    assert {(lap.avg_hr, lap.max_hr) for lap in without.laps} == {(None, None)}
    assert without.speed_mps == own.speed_mps


def test_details_are_kept_as_long_as_the_provider_allows(athlete: User, ridden: Activity, account: Account) -> None:
    Provider.objects.update(cache_days=20)
    policies.forget()
    Activity.objects.update(started_at=timezone.now())
    detailing.read(ridden.pk, athlete.pk)
    detail = ActivityDetail.objects.get()
    assert detail.expires_at
    assert abs(detail.expires_at - detail.fetched_at - timedelta(days=20)) < timedelta(seconds=1)
    ActivityDetail.objects.update(expires_at=timezone.now())
    assert shown(ridden, athlete).state == State.READING
    detailing.read(ridden.pk, athlete.pk)
    assert account.calls(DETAILS) == 2


def test_an_activity_that_changed_is_read_again(athlete: User, ridden: Activity, account: Account) -> None:
    detailing.read(ridden.pk, athlete.pk)
    assert ridden.connection
    stored(athlete, ridden.external_id, connection=ridden.connection, sport="cycling", name="Renamed")
    changed = Activity.objects.select_related("connection__provider").get(pk=ridden.pk)
    assert shown(changed, athlete).state == State.READING
    detailing.read(ridden.pk, athlete.pk)
    assert account.calls(DETAILS) == 2


def test_one_that_is_gone_at_the_provider_has_no_details_and_is_not_asked_for_again(
    athlete: User, connection: Connection, account: Account
) -> None:
    gone = stored(athlete, "404404", connection=connection)
    detailing.read(gone.pk, athlete.pk)
    look = shown(gone, athlete)
    assert look.state == State.READY
    assert look.details.laps == ()
    assert account.calls(SPLITS) == 1


def test_what_a_worker_found_out_is_told_in_the_readers_language(
    athlete: User, ridden: Activity, account: Account, no_repeats: None
) -> None:
    """One coach may read it in German and the athlete in English: it was asked for once."""
    account.behaves("500")
    with override("de"):
        detailing.read(ridden.pk, athlete.pk)
        told = shown(ridden, athlete).words
    assert told == "Garmin Connect antwortet gerade nicht. Sieh in einer Minute noch einmal nach."
    assert shown(ridden, athlete).words == "Garmin Connect does not answer just now. Look again in a minute."


def test_a_login_that_ran_out_is_told(athlete: User, ridden: Activity) -> None:
    assert ridden.connection
    Connection.objects.update(status="needs_reauth")
    fresh = Activity.objects.select_related("connection__provider").get(pk=ridden.pk)
    look = shown(fresh, athlete)
    assert (look.state, look.words) == (State.AWAY, "Garmin Connect wants a new login before it tells us more.")


def test_a_connection_that_pauses_is_told_as_it_is(athlete: User, ridden: Activity) -> None:
    Connection.objects.update(status="paused")
    fresh = Activity.objects.select_related("connection__provider").get(pk=ridden.pk)
    look = shown(fresh, athlete)
    assert (look.state, look.words) == (State.AWAY, "The connection to Garmin Connect is paused.")


def test_the_original_file_is_fetched_for_the_athlete_and_lies_ready_for_a_while(
    as_athlete: Client, athlete: User, ridden: Activity, account: Account, settings: Any
) -> None:
    address = reverse("coaching:original_file", args=[ridden.public_id])
    assert "Fetch it" in page(as_athlete, ridden)
    assert account.calls(FILE) == 0
    assert "being fetched" in as_athlete.post(address).text
    tasks.fetch_original(ridden.pk, athlete.pk)
    assert "Download" in as_athlete.get(address).text
    given = as_athlete.get(reverse("coaching:download", args=[ridden.public_id]))
    content = b"".join(given.streaming_content)  # type: ignore[attr-defined]
    found = reading.read(content, reading.budget_for(content))
    assert found.duration_s == pytest.approx(ridden.duration_s, abs=5)
    assert given["Content-Disposition"] == f'attachment; filename="{ridden.external_id}_ACTIVITY.fit"'
    assert not ActivityFile.objects.exists()
    assert detailing.clear_originals() == 0
    _age(Path(settings.MEDIA_ROOT))
    assert detailing.clear_originals() == 1
    assert as_athlete.get(reverse("coaching:download", args=[ridden.public_id])).status_code == 302


def _age(root: Path) -> None:
    old = timezone.now().timestamp() - detailing.ORIGINAL_S - 5
    for path in root.rglob("*.fit"):
        os.utime(path, (old, old))


def test_nobody_else_has_a_file_fetched_or_fetches_it(
    athlete: User, coach: User, link: CoachingLink, ridden: Activity, account: Account
) -> None:
    share(link, Scope.ACTIVITIES, Scope.HEART_RATE)
    other = Client()
    other.force_login(coach)
    for name in ("original_file", "download"):
        assert other.get(reverse(f"coaching:{name}", args=[ridden.public_id])).status_code == 404
    assert other.post(reverse("coaching:original_file", args=[ridden.public_id])).status_code == 404
    detailing.fetch_original(ridden.pk, coach.pk)
    assert account.calls(FILE) == 0


def test_a_file_beyond_the_cap_is_not_taken(
    athlete: User, ridden: Activity, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.resilience.http.MOST_FILE_BYTES", 1_000)
    detailing.fetch_original(ridden.pk, athlete.pk)
    assert detailing.original(ridden, athlete).words == "What Garmin Connect sent could not be read."


def test_many_who_look_at_once_ring_once(athlete: User, ridden: Activity, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[object] = []
    monkeypatch.setattr("integrations.bell.current_app.send_task", lambda name, args: rung.append((name, args)))
    barrier = threading.Barrier(4)

    def one() -> None:
        barrier.wait()
        detailing._asked("details:1", detailing.READ_DETAILS, ridden, athlete)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rung == [(tasks.read_details.name, (ridden.pk, athlete.pk))]
    assert tasks.fetch_original.name == detailing.FETCH_ORIGINAL.name
    assert cache.get("details:1") == detailing.ASKED


def test_a_sandbox_speaks_for_the_provider(garmin: RunningSandbox, ridden: Activity, athlete: User) -> None:
    """Rides have watts, runs have none: a series that is empty throughout is no curve."""
    detailing.read(ridden.pk, athlete.pk)
    assert shown(ridden, athlete).details.power_w
