"""One client against the real sandbox: renewals, pages, what is set aside, and what is looked for."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import structlog
from django.db import connection as database
from django.utils import timezone

from accounts.models import AuditEntry, User
from integrations import client as client_module
from integrations import errors
from integrations.client import READS_A_PAGE, ProviderClient, WorkoutPage, client_for
from integrations.models import Connection, Credential, Provider
from integrations.providers.garmin.adapter import NEWEST
from integrations.providers.garmin.translator import to_summary
from integrations.records import MARKER
from integrations.sandbox import RunningSandbox
from tests.coaching.world import connect, easy_run

EMAIL, NEIGHBOUR = "athlete2@sandbox.example", "athlete3@sandbox.example"
LISTING = "GET /api/workout-service/workouts"
READING = "GET /api/workout-service/workout/{identity}"
CREATE = "POST /api/workout-service/workout"
SCHEDULING = "POST /api/workout-service/schedule/{identity}"
TOKEN = "POST /token/di-oauth2-service/oauth/token"
ACTIVITIES = "GET /api/activitylist-service/activities/search/activities"
TUESDAY = date(2026, 12, 1)


@pytest.fixture
def connection(garmin: RunningSandbox, athlete: User, garmin_provider: Provider, transactional_db: None) -> Connection:
    return connect(athlete, garmin, garmin_provider, EMAIL)


@pytest.fixture
def client(connection: Connection) -> ProviderClient:
    return client_for(connection)


def person(garmin: RunningSandbox, email: str = EMAIL) -> Any:
    return garmin["garmin"].state.people[email]  # type: ignore[attr-defined]


def calls(garmin: RunningSandbox, label: str) -> int:
    return garmin["garmin"].count(label)


def nothing(external_ids: Sequence[str]) -> Mapping[str, str]:
    return {}


def everything(client: ProviderClient) -> list[WorkoutPage]:
    return list(client.workouts(nothing))


# --- a login that ran out


def test_an_expired_token_is_renewed_once_and_the_call_succeeds(
    client: ProviderClient, connection: Connection, garmin: RunningSandbox
) -> None:
    garmin["garmin"].change(EMAIL, "expire", "", "")
    assert client.account().external_id == connection.external_account_id
    assert calls(garmin, TOKEN) == 1
    assert client.calls == 2
    assert Credential.objects.get(connection=connection).version == 2
    connection.refresh_from_db()
    assert connection.status == Connection.Status.ACTIVE
    client_for(connection).account()
    assert calls(garmin, TOKEN) == 1, "the new token is kept"


def test_a_call_refused_after_the_renewal_loses_the_connection(
    client: ProviderClient, connection: Connection, garmin: RunningSandbox
) -> None:
    garmin["garmin"].set_fault(EMAIL, "401")
    with pytest.raises(errors.AuthenticationError):
        client.account()
    connection.refresh_from_db()
    assert (connection.status, connection.status_reason) == (Connection.Status.NEEDS_REAUTH, "refused_after_renewal")
    assert calls(garmin, TOKEN) == 1
    assert client.calls == 2
    assert AuditEntry.objects.filter(action="connection.needs_reauth").count() == 1


def test_a_login_that_ended_is_told_once_and_not_called_again(
    client: ProviderClient, connection: Connection, garmin: RunningSandbox
) -> None:
    garmin["garmin"].change(EMAIL, "revoke", "", "")
    with pytest.raises(errors.AuthenticationError) as caught:
        client.account()
    assert caught.value.code == "invalid_grant"
    connection.refresh_from_db()
    assert connection.status == Connection.Status.NEEDS_REAUTH
    with pytest.raises(errors.AuthenticationError):
        client.account()
    assert calls(garmin, TOKEN) == 1


def test_an_outage_is_no_lost_login(client: ProviderClient, connection: Connection, garmin: RunningSandbox) -> None:
    garmin["garmin"].set_fault(EMAIL, "html")
    with pytest.raises(errors.DataError):
        client.account()
    connection.refresh_from_db()
    assert connection.status == Connection.Status.ACTIVE
    assert connection.last_ok_at is None
    assert calls(garmin, TOKEN) == 0


def test_success_is_stamped_once_a_minute(client: ProviderClient, connection: Connection) -> None:
    client.account()
    connection.refresh_from_db()
    first = connection.last_ok_at
    assert first is not None
    client_for(connection).account()
    connection.refresh_from_db()
    assert connection.last_ok_at == first
    Connection.objects.update(last_ok_at=first - timedelta(seconds=61))
    connection.refresh_from_db()
    client_for(connection).account()
    connection.refresh_from_db()
    assert connection.last_ok_at is not None
    assert connection.last_ok_at >= first


# --- the listing of workouts


def test_everything_is_read_a_few_at_a_time(client: ProviderClient, garmin: RunningSandbox) -> None:
    pages = everything(client)
    there = person(garmin)["workouts"]
    assert sorted(record.external_id for page in pages for record in page.records) == sorted(there)
    assert max(len(page.records) for page in pages) == READS_A_PAGE
    assert {page.total for page in pages} == {len(there)}
    assert client.calls == 1 + len(there)


def test_an_unchanged_listing_takes_one_call(client: ProviderClient, garmin: RunningSandbox) -> None:
    versions = {record.external_id: record.version for page in everything(client) for record in page.records}
    again = client_for(client.connection)
    before = len(garmin["garmin"].calls)
    [page] = list(again.workouts(lambda ids: versions))
    assert (again.calls, len(garmin["garmin"].calls) - before) == (1, 1)
    assert page.records == []
    assert set(page.unchanged) == set(versions)
    changed = next(iter(versions))
    garmin["garmin"].change(EMAIL, "rename", changed, "Renamed")
    [page] = list(again.workouts(lambda ids: versions))
    assert [(record.external_id, record.name) for record in page.records] == [(changed, "Renamed")]
    assert again.calls == 3


def test_workouts_of_another_account_are_set_aside(client: ProviderClient, garmin: RunningSandbox) -> None:
    garmin["garmin"].set_fault(EMAIL, "foreign")
    with structlog.testing.capture_logs() as lines:
        pages = everything(client)
    assert all(page.records == [] for page in pages)
    bad = [item for page in pages for item in page.bad]
    assert {item.external_id for item in bad} == set(person(garmin)["workouts"])
    assert {item.reason for item in bad} == {"it belongs to another account"}
    assert {line["event"] for line in lines if line["log_level"] == "warning"} == {"foreign_item"}
    with pytest.raises(errors.DataError) as caught:
        client.workout(bad[0].external_id)
    assert caught.value.code == "foreign"


def test_a_workout_deleted_since_the_listing_is_simply_not_there(
    client: ProviderClient, garmin: RunningSandbox
) -> None:
    garmin["garmin"].set_fault(EMAIL, "404-once", on=READING)
    pages = everything(client)
    assert sum(len(page.records) for page in pages) == len(person(garmin)["workouts"]) - 1
    assert all(page.bad == [] for page in pages)


def test_a_bad_workout_costs_itself_alone(client: ProviderClient, garmin: RunningSandbox) -> None:
    broken, *others = person(garmin)["workouts"]
    person(garmin)["workouts"][broken]["workoutSegments"] = "none"
    pages = everything(client)
    assert [item.external_id for page in pages for item in page.bad] == [broken]
    assert {record.external_id for page in pages for record in page.records} == set(others)


def test_a_page_instead_of_json_ends_the_pass(client: ProviderClient, garmin: RunningSandbox) -> None:
    garmin["garmin"].set_fault(EMAIL, "html-once", on=READING)
    with pytest.raises(errors.DataError) as caught:
        everything(client)
    assert caught.value.code == "provider_bad_answer"


def test_an_endless_listing_is_left(client: ProviderClient, garmin: RunningSandbox) -> None:
    garmin["garmin"].set_fault(EMAIL, "endless")
    with pytest.raises(errors.DataError) as caught:
        everything(client)
    assert caught.value.code == "endless_listing"
    assert calls(garmin, LISTING) == 2, "the second page begins like the first"


def test_a_listing_that_goes_on_and_on_is_left_after_so_many_pages(
    client: ProviderClient, garmin: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MOST_PAGES", 3)
    garmin["garmin"].state.add("many@sandbox.example", name="Many", mfa=False, workouts=301)  # type: ignore[attr-defined]
    rows = garmin["garmin"].state.people["many@sandbox.example"]["workouts"]  # type: ignore[attr-defined]
    person(garmin)["workouts"] = dict(list(rows.items())[:300])
    stamps = {key: to_summary(raw).version for key, raw in rows.items()}

    def all_known(external_ids: Sequence[str]) -> Mapping[str, str]:
        return {key: stamps[key] for key in external_ids}

    with pytest.raises(errors.DataError) as caught:
        list(client.workouts(all_known))
    assert caught.value.code == "endless_listing"
    assert calls(garmin, LISTING) == 3
    person(garmin)["workouts"] = dict(list(rows.items())[:299])
    assert sum(len(page.unchanged) for page in client.workouts(all_known)) == 299, "an end within the bound is an end"


def test_what_we_put_there_is_not_read_back(client: ProviderClient, garmin: RunningSandbox) -> None:
    before = len(person(garmin)["workouts"])
    client.create_workout(easy_run(description=f"{MARKER}abcdefghij"))
    pages = everything(client)
    assert sum(page.ours for page in pages) == 1
    assert sum(len(page.records) for page in pages) == before


# --- what we put there


def test_a_workout_is_found_again_by_its_marker(client: ProviderClient, garmin: RunningSandbox) -> None:
    client.create_workout(easy_run(description=f"Slowly. {MARKER}aaaaaaaaaa"))
    first = client.create_workout(easy_run(description=f"{MARKER}bbbbbbbbbb"))
    second = client.create_workout(easy_run(description=f"{MARKER}bbbbbbbbbb"))
    just_now = timezone.now()
    assert client.find_marker("bbbbbbbbbb", name="Easy run", since=just_now) == [first, second]
    assert client.find_marker("cccccccccc", name="Easy run", since=just_now) == []
    garmin["garmin"].change(EMAIL, "rename", first, "Renamed by its owner")
    assert client.find_marker("bbbbbbbbbb", name="Easy run", since=just_now) == [first, second]


def test_a_marker_is_found_below_thirty_newer_workouts(client: ProviderClient, garmin: RunningSandbox) -> None:
    ours = client.create_workout(easy_run(description=f"{MARKER}aaaaaaaaaa"))
    for number in range(30):
        garmin["garmin"].change(EMAIL, "add", "", f"Newer {number}")
    assert client.find_marker("aaaaaaaaaa", name="Easy run", since=timezone.now()) == [ours]


def test_the_search_for_a_marker_ends_where_the_delivery_began(client: ProviderClient, garmin: RunningSandbox) -> None:
    client.create_workout(easy_run())
    assert client.find_marker("aaaaaaaaaa", name="Another", since=timezone.now()) == []
    assert calls(garmin, LISTING) == 1, "the rest of the first page is older"
    library = len(person(garmin)["workouts"])
    assert client.find_marker("aaaaaaaaaa", name="Another", since=datetime(2020, 1, 1, tzinfo=UTC)) == []
    assert calls(garmin, LISTING) == 1 + math.ceil(library / NEWEST), "a page at a time, to the end of the account"


def test_the_search_for_a_marker_looks_at_so_many_pages_only(
    client: ProviderClient, garmin: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MOST_NEWEST_PAGES", 2)
    client.find_marker("aaaaaaaaaa", name="Another", since=datetime(2020, 1, 1, tzinfo=UTC))
    assert calls(garmin, LISTING) == 2


def test_what_cannot_be_expressed_is_refused_without_a_call(client: ProviderClient, garmin: RunningSandbox) -> None:
    with pytest.raises(errors.UnsupportedError) as caught:
        client.create_workout(easy_run("n" * 5000))
    assert caught.value.context["problems"]
    assert client.calls == 0
    assert garmin["garmin"].calls == []


def test_replacing_keeps_the_id(client: ProviderClient, garmin: RunningSandbox) -> None:
    made = client.create_workout(easy_run())
    client.replace_workout(made, easy_run("Easier run"))
    assert client.workout(made).name == "Easier run"
    assert calls(garmin, CREATE) == 1


def test_deleting_what_is_gone_is_fine(client: ProviderClient, garmin: RunningSandbox) -> None:
    made = client.create_workout(easy_run())
    client.delete_workout(made)
    client.delete_workout(made)
    assert made not in person(garmin)["workouts"]
    with pytest.raises(errors.NotFoundError):
        client.workout(made)
    with pytest.raises(errors.NotFoundError):
        client.replace_workout(made, easy_run())


def test_a_calendar_entry_is_found_by_workout_and_day(client: ProviderClient, garmin: RunningSandbox) -> None:
    made, other = client.create_workout(easy_run()), client.create_workout(easy_run())
    assert client.find_schedule(made, TUESDAY) is None
    entry = client.schedule(made, TUESDAY)
    client.schedule(other, TUESDAY)
    assert client.find_schedule(made, TUESDAY) == entry
    assert client.find_schedule(made, TUESDAY + timedelta(days=1)) is None
    client.unschedule(entry)
    client.unschedule(entry)
    assert client.find_schedule(made, TUESDAY) is None
    assert calls(garmin, SCHEDULING) == 2


# --- activities


def test_activities_come_by_page_and_from_a_day_on(client: ProviderClient, garmin: RunningSandbox) -> None:
    rows = person(garmin)["activities"]
    found = [record for page in client.activities(None) for record in page.records]
    assert [record.external_id for record in found] == [str(row["activityId"]) for row in rows]
    day = date.fromisoformat(rows[3]["startTimeLocal"][:10])
    since = [record for page in client.activities(day) for record in page.records]
    assert 4 <= len(since) < len(found)
    assert all(record.started_at >= datetime.combine(day, datetime.min.time(), UTC) for record in since)


def test_a_bad_activity_costs_itself_alone(client: ProviderClient, garmin: RunningSandbox) -> None:
    rows = person(garmin)["activities"]
    rows[0] |= {"duration": None}
    rows[1] |= {"duration": -5.0}
    rows[2] |= {"startTimeGMT": "yesterday", "beginTimestamp": None}
    [page] = list(client.activities(None))
    assert [item.external_id for item in page.bad] == [str(row["activityId"]) for row in rows[:3]]
    assert all(item.reason for item in page.bad)
    assert [record.external_id for record in page.records] == [str(row["activityId"]) for row in rows[3:]]


def test_an_activity_of_another_account_is_refused_and_noted(client: ProviderClient, garmin: RunningSandbox) -> None:
    rows = person(garmin)["activities"]
    rows[0] |= {"ownerId": person(garmin, NEIGHBOUR)["profile"]}
    with structlog.testing.capture_logs() as lines:
        [page] = list(client.activities(None))
    foreign = str(rows[0]["activityId"])
    assert [(item.external_id, item.reason) for item in page.bad] == [(foreign, "it belongs to another account")]
    assert foreign not in {record.external_id for record in page.records}
    [line] = [line for line in lines if line["event"] == "foreign_item"]
    assert (line["log_level"], line["item"]) == ("warning", foreign)
    assert line["connection"] == str(client.connection.public_id)


def test_a_foreign_item_is_a_security_event_once_a_day(client: ProviderClient, garmin: RunningSandbox) -> None:
    rows = person(garmin)["activities"]
    for row in rows[:2]:
        row |= {"ownerId": person(garmin, NEIGHBOUR)["profile"]}
    for _ in range(3):
        list(client.activities(None))
    entries = list(AuditEntry.objects.filter(action="connection.foreign_item").order_by("pk"))
    assert [entry.data["item"] for entry in entries] == [str(row["activityId"]) for row in rows[:2]]
    assert {(entry.level, entry.object_id) for entry in entries} == {("security", str(client.connection.public_id))}
    with database.cursor() as cursor:  # the log is append-only, for tests as well: a day passes for all at once
        cursor.execute("ALTER TABLE accounts_auditentry DISABLE TRIGGER USER")
        cursor.execute("UPDATE accounts_auditentry SET at = at - interval '25 hours'")
        cursor.execute("ALTER TABLE accounts_auditentry ENABLE TRIGGER USER")
    list(client.activities(None))
    assert AuditEntry.objects.filter(action="connection.foreign_item").count() == 4


def test_an_activity_without_an_owner_is_the_accounts_own(client: ProviderClient, garmin: RunningSandbox) -> None:
    rows = person(garmin)["activities"]
    rows[0] |= {"ownerId": None}
    [page] = list(client.activities(None))
    assert page.bad == []
    assert page.records[0].external_id == str(rows[0]["activityId"])
