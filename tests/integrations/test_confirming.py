"""A webhook says that somebody left: only what the provider answers to a call ends his connection."""

import pytest
from django.db.models.functions import Now

from accounts.models import AuditEntry, User
from integrations import control, tasks
from integrations.models import Connection, Credential, Provider, ProviderMode, SyncStream
from integrations.records import EventKind, ProviderEvent
from integrations.sandbox import RunningSandbox
from integrations.services import confirming, notifying
from integrations.services.notifying import Verdict
from tests.integrations.consenting import ADA, State, connect, connection_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connection(strava: RunningSandbox, athlete: User) -> Connection:
    connect(athlete, ADA)
    return connection_of(athlete)


def hear(connection: Connection, kind: EventKind = EventKind.DEAUTHORIZED) -> Verdict:
    event = ProviderEvent(kind=kind, name="athlete.update", account_id=connection.external_account_id)
    return notifying.apply(event, connection.provider).verdict


def now_is(connection: Connection) -> tuple[str, bool, bool]:
    """(status, whether it is in doubt, whether its tokens are there)"""
    connection.refresh_from_db()
    held = Credential.objects.filter(connection=connection).exclude(sealed="").exists()
    return connection.status, connection.doubted_at is not None, held


def told(connection: Connection) -> list[str]:
    entries = AuditEntry.objects.filter(object_id=str(connection.public_id)).order_by("pk")
    return [entry.action for entry in entries if "doubted" in entry.action or "end_" in entry.action]


def test_hearsay_alone_changes_nothing_but_the_doubt(connection: Connection) -> None:
    streams = list(SyncStream.objects.filter(connection=connection).values_list("enabled", "next_run_at"))
    assert hear(connection) == Verdict.APPLIED
    assert now_is(connection) == (State.ACTIVE, True, True)
    assert list(SyncStream.objects.filter(connection=connection).values_list("enabled", "next_run_at")) == streams


def test_a_forged_end_disconnects_nobody(strava: RunningSandbox, connection: Connection) -> None:
    for _ in range(3):
        hear(connection)
        confirming.confirm(connection.pk)
    assert now_is(connection) == (State.ACTIVE, False, True)
    assert told(connection) == ["connection.doubted", "connection.end_refuted"] * 3
    assert strava["strava"].state.is_allowed(ADA)  # type: ignore[attr-defined]  # Strava's own


def test_an_end_that_the_provider_confirms_ends_it(strava: RunningSandbox, connection: Connection) -> None:
    strava["strava"].change(ADA, "revoke", "", "")
    hear(connection)
    confirming.confirm(connection.pk)
    assert now_is(connection) == (State.NEEDS_REAUTH, False, False), "and the tokens are gone"
    confirming.confirm(connection.pk)
    assert told(connection).count("connection.end_confirmed") == 1


@pytest.mark.parametrize("fault", ["503", "500", "drop", "429", "hold"])
def test_a_provider_that_is_away_is_asked_again_later(
    strava: RunningSandbox, connection: Connection, fault: str, no_repeats: None
) -> None:
    if fault == "hold":
        Provider.objects.filter(pk=connection.provider_id).update(mode=ProviderMode.HOLD)  # nobody is called at all
        control.forget()
    else:
        strava["strava"].set_fault(ADA, fault, on="/api/athlete")
    hear(connection)
    before = now_is(connection)
    confirming.confirm(connection.pk)
    assert now_is(connection) == before == (State.ACTIVE, True, True)
    assert told(connection) == ["connection.doubted"], "no word of an end, nor of none"


@pytest.mark.parametrize("fault", ["html", "truncated", "404"])
def test_an_answer_that_says_nothing_ends_the_doubt_and_not_the_connection(
    strava: RunningSandbox, connection: Connection, fault: str
) -> None:
    """To ask for ever would not help; whether the login is good shows at the next sync."""
    strava["strava"].set_fault(ADA, fault, on="/api/athlete")
    hear(connection)
    confirming.confirm(connection.pk)
    assert now_is(connection) == (State.ACTIVE, False, True)
    assert told(connection) == ["connection.doubted", "connection.end_not_confirmed"]


def test_the_tick_asks_for_every_doubt_until_it_is_settled(strava: RunningSandbox, connection: Connection) -> None:
    strava["strava"].set_fault(ADA, "503", on="/api/athlete")
    hear(connection)
    confirming.confirm(connection.pk)
    assert list(Connection.objects.doubted()) == [connection]
    tasks.tick_doubts()
    strava["strava"].set_fault(ADA, "", on="/api/athlete")
    confirming.confirm(connection.pk)
    assert now_is(connection) == (State.ACTIVE, False, True)
    assert not Connection.objects.doubted().exists()


def test_a_doubt_raised_while_the_provider_is_asked_is_asked_about_again(connection: Connection) -> None:
    hear(connection)
    earlier = Connection.objects.select_related("user", "provider").get(pk=connection.pk)
    Connection.objects.filter(pk=connection.pk).update(doubted_at=Now())
    confirming._settle(earlier, "connection.end_refuted")
    assert now_is(connection) == (State.ACTIVE, True, True)
    assert told(connection) == ["connection.doubted"]


def test_nobody_is_asked_about_who_is_not_in_doubt(strava: RunningSandbox, connection: Connection) -> None:
    asked = strava["strava"].count("/api/athlete")
    confirming.confirm(connection.pk)
    confirming.confirm(0)
    assert strava["strava"].count("/api/athlete") == asked


@pytest.mark.parametrize("status", [State.PAUSED, State.NEEDS_REAUTH])
def test_who_is_not_connected_has_nothing_to_lose(connection: Connection, status: str) -> None:
    Connection.objects.filter(pk=connection.pk).update(status=status)
    assert hear(connection) == Verdict.UNUSED
    assert now_is(connection)[1] is False
