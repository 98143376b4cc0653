"""What the head of every page says of paused providers, and what everybody reads at /status/."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from redis import Redis

from accounts.models import User
from integrations import control, errors, flags, gateways, health, overview, publishing
from integrations.client import client_for
from integrations.models import Connection, FeatureFlag, MaintenanceWindow, Provider, ProviderMode, SyncStream
from integrations.sandbox import RunningSandbox
from tests.conftest import make_user
from tests.integrations.library import ACCOUNT, connect
from tests.integrations.test_control import window

pytestmark = pytest.mark.django_db(transaction=True)

HOME = "/account/settings/"
HOUR = timedelta(hours=1)


@pytest.fixture
def connection(athlete: User, garmin_provider: Provider) -> Connection:
    return Connection.objects.create(
        user=athlete, provider=garmin_provider, status="active", external_account_id="42", external_name="Ada's watch"
    )


@pytest.fixture
def page(client: Client, athlete: User) -> Client:
    client.force_login(athlete)
    return client


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace(" .", ".")


def read(client: Client, address: str = HOME) -> str:
    """As a process reads it that has not looked for two seconds."""
    for memory in (control, health, publishing):
        memory.forget()
    answer = client.get(address)
    assert answer.status_code == 200
    return words(answer.text)


def at(moment: Any, user: User) -> str:
    return f"{moment.astimezone(user.zone):%H:%M}"


def test_nothing_is_said_while_all_is_well(page: Client, connection: Connection) -> None:
    assert "Garmin Connect" not in read(page)


@pytest.mark.parametrize(
    ("fields", "what", "why"),
    [
        ({"mode": "hold", "notice": "Garmin has an outage."}, "is paused", "Garmin has an outage."),
        ({"mode": "hold"}, "is paused", "Our operations people have paused Garmin Connect for everybody."),
        ({"mode": "off"}, "is switched off", "Garmin Connect is switched off."),
        ({"deliver_enabled": False}, "is paused in part", "Sending to Garmin Connect is paused at the moment."),
        ({"sync_enabled": False}, "is paused in part", "Reading from Garmin Connect is paused at the moment."),
    ],
)
def test_what_operations_paused_is_said_on_every_page(
    page: Client, connection: Connection, fields: dict[str, Any], what: str, why: str
) -> None:
    Provider.objects.filter(pk=connection.provider_id).update(**fields)
    for address in (HOME, "/", "/connections/", reverse("coaching:inbox")):
        told = read(page, address)
        assert f"Garmin Connect {what} {why} What is new waits and goes on by itself." in told, address
        assert told.count(why) == 1, address


def test_it_says_how_fresh_what_people_see_is(page: Client, connection: Connection) -> None:
    Provider.objects.update(mode=ProviderMode.HOLD)
    assert "What you see is as of" not in read(page), "nothing was ever read"
    Connection.objects.update(last_ok_at=timezone.now() - 5 * HOUR)
    assert "What you see is as of 5 hours ago." in read(page)
    SyncStream.objects.create(
        connection=connection,
        resource="workouts",
        last_success_at=timezone.now() - 2 * HOUR,
        next_run_at=timezone.now() + HOUR,
    )
    assert "What you see is as of 2 hours ago." in read(page), "the newest counts"


@pytest.mark.parametrize(
    ("phase", "what"), [("drain", "maintenance is about to begin"), ("read_only", "maintenance is under way")]
)
def test_maintenance_says_why_and_until_when_in_the_persons_zone(
    page: Client, connection: Connection, athlete: User, phase: str, what: str
) -> None:
    User.objects.update(time_zone="Asia/Tokyo")
    athlete.refresh_from_db()
    planned = window(connection.provider, phase)
    told = read(page)
    assert f"Garmin Connect: {what} Garmin changes its disks. What is new waits" in told
    assert re.search(rf"as far as we know at ([^.]*, )?{at(planned.ends_at, athlete)}\.", told)


def test_planned_maintenance_is_announced_from_its_hour_on(page: Client, connection: Connection, athlete: User) -> None:
    planned = window(connection.provider, "planned")
    assert "maintenance" not in read(page)
    MaintenanceWindow.objects.update(announce_at=timezone.now())
    told = read(page)
    assert "Garmin Connect: maintenance is planned Garmin changes its disks. From" in told
    for moment in (planned.starts_at, planned.ends_at):
        assert at(moment, athlete) in told
    assert "What you see is as of" not in told, "it is up to date"
    MaintenanceWindow.objects.update(cancelled_at=timezone.now())
    assert "maintenance" not in read(page)


def test_a_tripped_and_an_open_circuit_are_said(
    client: Client, garmin: RunningSandbox, coach: User, no_repeats: None
) -> None:
    connection = connect(garmin, coach).connection
    client.force_login(coach)
    gateways.trip(connection.provider, reason="secret thoughts")
    told = read(client)
    assert "Garmin Connect is paused Our operations people have stopped the calls to it." in told
    assert "secret thoughts" not in told
    gateways.reset(connection.provider)
    assert "Garmin Connect" not in read(client)
    garmin["garmin"].set_fault(ACCOUNT, "500")
    for _ in range(12):
        with pytest.raises(errors.IntegrationError):
            client_for(connection).account()
    assert "Garmin Connect does not answer as it should" in read(client)
    assert "Degraded" in read(Client(), "/status/")


def test_a_provider_that_asks_everybody_to_slow_down_is_said(page: Client, connection: Connection) -> None:
    provider = connection.provider
    provider.limits = {"provider": {"capacity": 10, "per_s": 10}}
    provider.save()
    gateway = gateways.gateway_for(provider)
    assert gateway.admission.pause("provider", gateway.policies.limits["provider"], 300)
    until = timezone.now() + timedelta(seconds=300)
    told = read(page)
    assert "Garmin Connect asked us to slow down" in told
    assert at(until, connection.user) in told or at(until - timedelta(seconds=5), connection.user) in told


def test_only_who_is_connected_is_told(client: Client, connection: Connection, stranger: User) -> None:
    Provider.objects.update(mode=ProviderMode.HOLD)
    assert "is paused" not in read(client, "/"), "signed out"
    client.force_login(stranger)
    assert "is paused" not in read(client)
    client.force_login(connection.user)
    assert "is paused" in read(client)
    Connection.objects.update(status="disconnected")
    assert "is paused" not in read(client)


def test_no_notice_on_operations_pages(client: Client, connection: Connection, operator: User) -> None:
    Connection.objects.update(user=operator)
    Provider.objects.update(mode=ProviderMode.HOLD)
    client.force_login(operator)
    assert "What is new waits" in read(client)
    assert "What is new waits" not in read(client, reverse("admin:index"))


def commands() -> int:
    with Redis.from_url(settings.REDIS_URL) as client:
        return int(client.info("stats")["total_commands_processed"])


def test_who_is_connected_with_nothing_costs_one_query_and_nothing_of_redis(
    stranger: User, garmin_provider: Provider
) -> None:
    commands()
    before = commands()
    with CaptureQueriesContext(database) as queries:
        assert overview.notices_for(stranger) == []
    assert len(queries) == 1
    opening = commands() - before
    before = commands()
    assert opening == commands() - before, "no command but this count's own"


def test_notices_cost_two_queries_at_most_however_many_providers(athlete: User, connection: Connection) -> None:
    Provider.objects.update(mode=ProviderMode.HOLD)
    with CaptureQueriesContext(database) as queries:
        assert len(overview.notices_for(athlete)) == 1
    assert len(queries) == 2
    with CaptureQueriesContext(database) as queries:
        overview.notices_for(athlete)
    assert len(queries) == 1


def test_the_card_of_a_person_who_is_not_in_yet_says_so(page: Client, connection: Connection, stranger: User) -> None:
    from_flag = "Your turn will come."
    let_nobody_in("sync")
    told = read(page, "/connections/")
    assert "Connected, but not all of it is open to you yet" in told
    assert from_flag in told
    let_nobody_in("connect")
    page.force_login(stranger)
    for address in ("/connections/", "/connections/garmin/connect/"):
        told = read(page, address)
        assert "Not open to you yet" in told
        assert from_flag in told
        assert "Come back a little later" not in told


def let_nobody_in(direction: str) -> None:
    from_nobody = {"percentage": 0, "enabled": True}
    FeatureFlag.objects.update_or_create(name=f"garmin-{direction}", defaults=from_nobody)
    flags.forget()


def test_a_provider_whose_folder_is_gone_breaks_no_page(page: Client, connection: Connection) -> None:
    gone = Provider.objects.create(slug="gone", name="Gone Sports", mode=ProviderMode.HOLD)
    Connection.objects.filter(pk=connection.pk).update(provider=gone)
    for address in (HOME, "/connections/", "/status/"):
        assert "Gone Sports" not in read(page, address)


# /status/


def test_the_status_page_is_for_everybody_and_names_nobody(client: Client, connection: Connection) -> None:
    Connection.objects.update(last_ok_at=timezone.now())
    told = read(client, "/status/")
    assert "Garmin Connect Operational" in told
    for capability in ("Connecting", "Reading", "Sending"):
        assert f"{capability} Operational" in told
    for secret in (connection.user.display_name, connection.user.email, "Ada", str(connection.public_id)):
        assert secret not in told


def test_the_status_page_says_what_is_paused_and_until_when(client: Client, garmin_provider: Provider) -> None:
    Provider.objects.update(sync_enabled=False, notice="They moved a page.")
    told = read(client, "/status/")
    assert "Garmin Connect Degraded" in told
    assert "Reading They moved a page. Paused" in told
    assert "Sending Operational" in told
    Provider.objects.update(sync_enabled=True)
    planned = window(garmin_provider, "read_only")
    told = read(client, "/status/")
    assert "Garmin Connect Paused" in told
    assert f"until {planned.ends_at:%-d %B, %H:%M}" in told
    assert f"Since {planned.starts_at:%-d %B, %H:%M}" in told
    assert "times are in UTC" in told


def test_the_status_page_tells_of_planned_maintenance_and_of_no_provider_that_is_off(
    client: Client, garmin_provider: Provider
) -> None:
    planned = window(garmin_provider, "announced")
    told = read(client, "/status/")
    assert f"Maintenance from {planned.starts_at:%-d %B, %H:%M} to {planned.ends_at:%-d %B, %H:%M}" in told
    assert "Garmin Connect Operational" in told
    MaintenanceWindow.objects.update(announce_at=planned.starts_at - HOUR)
    assert "Maintenance from" not in read(client, "/status/")
    Provider.objects.update(mode=ProviderMode.OFF)
    assert "Garmin Connect" not in read(client, "/status/")


def test_the_status_page_is_remembered_for_each_language(client: Client, garmin_provider: Provider) -> None:
    """Whoever reads next, within the moment that it is remembered, is told in his own."""
    Provider.objects.update(sync_enabled=False)
    read(client, "/status/")
    german = (
        "Eingeschränkt",
        "Lesen Das Lesen von Garmin Connect ist gerade angehalten.",
        r"Stand \d+\. \w+, \d+:\d+:\d+;",
    )
    english = "Degraded", "Reading Reading from Garmin Connect is paused at the moment.", r"As of \d+ \w+, \d+:\d+:\d+;"
    for language, (state, why, read_at) in [("de", german), ("en", english)] * 2:
        answer = client.get("/status/", headers={"Accept-Language": language})
        assert f"Garmin Connect {state}" in words(answer.text)
        assert why in words(answer.text)
        assert re.search(read_at, words(answer.text))
        assert f'<html lang="{language}"' in answer.text
        assert "Accept-Language" in answer.headers["Vary"]


def test_the_status_page_is_remembered_for_a_moment(client: Client, garmin_provider: Provider) -> None:
    read(client, "/status/")
    with CaptureQueriesContext(database) as queries:
        assert client.get("/status/").status_code == 200
    assert len(queries) == 0


def test_the_status_page_is_linked_from_every_page_and_is_read_only(client: Client, db: None) -> None:
    assert 'href="/status/"' in client.get("/").text
    client.force_login(make_user("new@example.org", "Nina New"))
    assert 'href="/status/"' in client.get(HOME).text
    assert client.post("/status/").status_code == 405
