"""The key changes while people work, is lost, or put in the wrong order; logins are revoked after a compromise."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as current
from django.core.checks import Tags, run_checks
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection as database
from django.test import override_settings
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEntry, User
from integrations import credentials, encryption, errors, vault
from integrations.encryption import new_key
from integrations.models import Connection, Credential, DomainEvent, Provider, ProviderMode, VaultRotation
from integrations.services import reaping, rotating
from integrations.spec import Grant
from tests.integrations import sealing
from tests.integrations.sealing import secrets_of
from tests.patience import until

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
ROTATOR = (
    "import django; django.setup(); from integrations.services import rotating; rotating.run({}, size={}, pause_s={})"
)
SCALE = 0.02  # a lease of 1.2 s
PATIENCE_S = 300
UNHURRIED_S = 0.5  # between batches, of which there are twenty: time enough to be killed in the middle
READERS, WRITERS = 20, 5
Status = VaultRotation.Status


@pytest.fixture
def rings() -> dict[str, str]:
    """The ring before, while and after the key changes; drawn anew: a process remembers what it has written down."""
    k1, k2 = new_key("k1"), new_key("k2")
    return {"old": k1, "added": f"{k1},{k2}", "new": f"{k2},{k1}", "only_new": k2}


def opened(credential: Credential) -> dict[str, str]:
    """As the product opens it."""
    return dict(credentials.present(credential.connection).secrets)


def start_rotator(rotation: VaultRotation, *, size: int, pause_s: float) -> subprocess.Popen[bytes]:
    """A process of its own on the test's database, with the ring of now."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database.settings_dict['NAME']}").geturl()
    elsewhere = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": url,
        "CREDENTIAL_KEYS": current.CREDENTIAL_KEYS,
        "TIME_SCALE": str(SCALE),
    }
    code = ROTATOR.format(rotation.pk, size, pause_s)
    return subprocess.Popen([sys.executable, "-c", code], env=os.environ | elsewhere, cwd=ROOT)


class Crowd:
    """Readers and writers that go on until `over`, and what they saw. A writer has its rows to itself."""

    def __init__(self, rows: list[Credential]) -> None:
        self.rows, self.over = rows, Event()
        self.written = {row.pk: secrets_of(number) for number, row in enumerate(rows)}
        self.mine = [rows[number :: WRITERS * 10] for number in range(WRITERS)]  # a tenth of the rows is written to
        touched = {row.pk for mine in self.mine for row in mine}
        self.still = [row for row in rows if row.pk not in touched]
        self.reads = self.writes = 0
        self.failures: list[Exception] = []

    def read(self, number: int) -> None:
        while not self.over.is_set():
            for row in self.still[number::READERS]:
                self._try(partial(self._expect, row))
                if self.over.is_set():
                    return

    def write(self, number: int) -> None:
        turn = 0
        while not self.over.is_set():
            turn += 1
            for row in self.mine[number]:
                self._try(partial(self._store, row, f"turn-{turn}"))

    def _expect(self, row: Credential) -> None:
        assert opened(row) == self.written[row.pk]
        self.reads += 1

    def _store(self, row: Credential, word: str) -> None:
        assert opened(row) == self.written[row.pk], "a write was lost"
        credentials.store(row.connection, Grant({"access": word}, None), kind=Credential.Kind.SESSION)
        self.written[row.pk] = {"access": word}
        self.writes += 1

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (errors.IntegrationError, AssertionError) as exc:
            self.failures.append(exc)

    def run(self, number: int) -> None:
        try:
            self.read(number) if number < READERS else self.write(number - READERS)
        finally:
            database.close()


def until_done(rotation: VaultRotation, *, kills: int, size: int) -> None:
    """Run it in processes of their own; kill -9 the first ones in the middle, which take their time until then."""
    for _ in range(kills):
        worker = start_rotator(rotation, size=size, pause_s=UNHURRIED_S)
        goal = rotation.done_n + 2 * size
        while seen(rotation).done_n < goal:
            assert worker.poll() is None, "it was to be killed at work"
            time.sleep(0.01)
        os.kill(worker.pid, signal.SIGKILL)
        assert worker.wait() == -signal.SIGKILL, "it was still at work"
        until(reaping.reap, within_s=PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while seen(rotation).status != Status.DONE:
        assert start_rotator(rotation, size=size, pause_s=0.02).wait(PATIENCE_S) == 0
        assert time.monotonic() < deadline, "it does not end"


def seen(rotation: VaultRotation) -> VaultRotation:
    rotation.refresh_from_db()
    return rotation


@pytest.mark.parametrize("number", [500, pytest.param(10_000, marks=pytest.mark.soak)])
def test_a_key_changes_under_load_and_nobody_notices(
    garmin_provider: Provider, rings: dict[str, str], settings: Settings, number: int
) -> None:
    """No reader fails, no write is lost, a rotator that is killed is followed by one that goes on."""
    settings.TIME_SCALE = SCALE
    settings.CREDENTIAL_KEYS = rings["old"]
    crowd = Crowd(sealing.credentials(garmin_provider, number))
    settings.CREDENTIAL_KEYS = rings["added"]
    with ThreadPoolExecutor(READERS + WRITERS) as pool:
        at_work = [pool.submit(crowd.run, each) for each in range(READERS + WRITERS)]
        try:
            settings.CREDENTIAL_KEYS = rings["new"]
            rotation = rotating.start("k2", by=None, rings=False)
            until_done(rotation, kills=2, size=number // 20)
            until(lambda: min(crowd.reads, crowd.writes) > 50, within_s=PATIENCE_S)
        finally:
            crowd.over.set()
    for each in at_work:
        each.result()
    assert crowd.failures == []
    assert (rotation.failed_n, rotating.left("k2")) == (0, 0)
    settings.CREDENTIAL_KEYS = rings["only_new"]
    assert {row.pk: opened(row) for row in crowd.rows} == crowd.written


def test_the_wrong_order_parks_the_others_and_damages_nothing(
    athlete: User, garmin_provider: Provider, rings: dict[str, str]
) -> None:
    """One process has the new key first before the others have it at all."""
    connection = Connection.objects.create(user=athlete, provider=garmin_provider)
    with override_settings(CREDENTIAL_KEYS=rings["new"]):
        credentials.store(connection, Grant({"access": "new"}, None), kind=Credential.Kind.SESSION)
    before = Credential.objects.values().get()
    with override_settings(CREDENTIAL_KEYS=rings["old"]):
        with pytest.raises(vault.VaultParked) as parked:
            credentials.usable(connection)
        with pytest.raises(rotating.RotationRefused, match="not in the ring"):
            rotating.start("k2", by=None)
    assert parked.value.halted
    assert Credential.objects.values().get() == before
    with override_settings(CREDENTIAL_KEYS=rings["added"]):  # the right order
        assert credentials.usable(connection).secrets == {"access": "new"}


# P11c


def test_a_lost_key_is_loud_and_harmless(garmin_provider: Provider, rings: dict[str, str], settings: Settings) -> None:
    settings.CREDENTIAL_KEYS = rings["old"]
    rows = sealing.credentials(garmin_provider, 5)
    before = list(Credential.objects.order_by("pk").values())
    settings.CREDENTIAL_KEYS = rings["only_new"]
    found = [message.id for message in run_checks(tags=[Tags.database], databases=["default"])]
    assert "integrations.E006" in found
    for row in rows:
        with pytest.raises(vault.VaultParked):
            credentials.usable(row.connection)
    rotation = rotating.start("k2", by=None)
    rotating.run(rotation.pk)
    rotation.refresh_from_db()
    assert (rotation.status, rotation.done_n, rotation.failed_n) == (Status.DONE, 0, 5)
    assert rotation.error_detail == "5 key missing"
    assert list(Credential.objects.order_by("pk").values()) == before
    assert not Connection.objects.exclude(status=Connection.Status.ACTIVE).exists()
    settings.CREDENTIAL_KEYS = rings["new"]
    assert [dict(credentials.usable(row.connection).secrets) for row in rows] == [secrets_of(n) for n in range(5)]


def test_other_bytes_under_the_new_id_seal_nothing(
    garmin_provider: Provider, rings: dict[str, str], settings: Settings
) -> None:
    """One machine has another key under the same id."""
    settings.CREDENTIAL_KEYS = rings["old"]
    sealing.credentials(garmin_provider, 3)
    settings.CREDENTIAL_KEYS = rings["new"]
    rotation = rotating.start("k2", by=None)
    settings.CREDENTIAL_KEYS = f"{new_key('k2')},{rings['old']}"
    rotating.run(rotation.pk)
    rotation.refresh_from_db()
    assert (rotation.status, rotation.error_code, rotation.done_n) == (Status.QUEUED, "vault_wrong_key", 0)
    with pytest.raises(rotating.RotationRefused, match="not in order"):
        rotating.start("k2", by=None)


# Rotation by use


def test_a_login_in_use_is_sealed_anew_and_a_newer_one_stands(
    garmin_provider: Provider, rings: dict[str, str], settings: Settings
) -> None:
    settings.CREDENTIAL_KEYS = rings["old"]
    (row,) = sealing.credentials(garmin_provider, 1)
    settings.CREDENTIAL_KEYS = rings["new"]
    assert credentials.usable(row.connection).secrets == secrets_of(0)
    assert Credential.objects.get().key_id == "k1"  # the first key is not written down yet: nobody knows it is newer
    vault.sealing_ring()
    assert credentials.usable(row.connection).secrets == secrets_of(0)
    anew = Credential.objects.get()
    assert (anew.key_id, encryption.key_id(anew.sealed), anew.version) == ("k2", "k2", row.version)
    settings.CREDENTIAL_KEYS = rings["added"]  # a process of yesterday does not turn it back
    assert credentials.usable(row.connection).secrets == secrets_of(0)
    assert Credential.objects.get().sealed == anew.sealed


def test_looking_changes_nothing(garmin_provider: Provider, rings: dict[str, str], settings: Settings) -> None:
    settings.CREDENTIAL_KEYS = rings["old"]
    (row,) = sealing.credentials(garmin_provider, 1)
    settings.CREDENTIAL_KEYS = rings["new"]
    vault.sealing_ring()
    assert credentials.present(row.connection).secrets == secrets_of(0)
    assert Credential.objects.get().key_id == "k1"


# The commands


def test_the_command_rotates_and_the_check_says_when_it_is_needed(
    garmin_provider: Provider, rings: dict[str, str], settings: Settings
) -> None:
    settings.CREDENTIAL_KEYS = rings["old"]
    sealing.credentials(garmin_provider, 30)
    settings.CREDENTIAL_KEYS = rings["new"]
    out = StringIO()
    with pytest.raises(SystemExit) as needed:
        call_command("vault_rotate", check=True, stdout=out, stderr=StringIO())
    assert needed.value.code == 1
    assert "k1" in out.getvalue()
    with pytest.raises(CommandError, match="Put k1 first"):
        call_command("vault_rotate", to="k1")
    call_command("vault_rotate", to="k2", batch=7, pause=0.001, stdout=out)
    assert "Done: 30 sealed anew with k2." in out.getvalue()
    assert secrets_of(3)["access"] not in out.getvalue()
    call_command("vault_rotate", check=True, stdout=out)


def test_the_command_fails_when_something_did_not_open(
    garmin_provider: Provider, rings: dict[str, str], settings: Settings
) -> None:
    settings.CREDENTIAL_KEYS = rings["old"]
    one, other = sealing.credentials(garmin_provider, 2)
    Credential.objects.filter(pk=one.pk).update(sealed=other.sealed)
    settings.CREDENTIAL_KEYS = rings["new"]
    with pytest.raises(CommandError, match="1 did not open and are as they were"):
        call_command("vault_rotate", to="k2", stdout=StringIO())


# Revoking


@pytest.fixture
def two_logins(rotator: Any, athlete: User, coach: User) -> list[Connection]:
    """One of a week ago, one of today."""
    provider = Provider.objects.create(slug="rotator", name="Rotator", mode=ProviderMode.ENABLED)
    made = [
        Connection.objects.create(user=user, provider=provider, status="active", external_account_id=user.email)
        for user in (athlete, coach)
    ]
    for connection in made:
        credentials.store(connection, rotator.grant(), kind=Credential.Kind.OAUTH2)
    Credential.objects.filter(connection=made[0]).update(issued_at=timezone.now() - timedelta(days=7))
    return made


def test_revoked_logins_are_ended_there_erased_here_and_their_owners_told(
    two_logins: list[Connection], rotator: Any
) -> None:
    out = StringIO()
    yesterday = f"{timezone.now() - timedelta(days=1):%Y-%m-%d}"
    call_command("vault_revoke", provider="rotator", since=yesterday, yes=True, reason="stolen dump", stdout=out)
    old, new = two_logins
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.status, new.status, new.status_reason) == ("active", "needs_reauth", "revoked_by_us")
    assert Credential.objects.get().connection == old
    assert rotator.revoked == ["refresh-2"]
    assert DomainEvent.objects.get(type="connection.needs_reauth").connection == new
    entry = AuditEntry.objects.get(action="connection.credentials_revoked")
    assert (entry.data["outcome_there"], entry.data["reason"]) == ("revoked there", "stolen dump")
    assert "Erased 1 logins (1 revoked there)" in out.getvalue()
    call_command("vault_revoke", provider="rotator", yes=True, stdout=out)
    assert not Credential.objects.exists()


def test_a_provider_that_cannot_be_told_keeps_nobody_from_erasing(two_logins: list[Connection], rotator: Any) -> None:
    rotator.fails = errors.ConnectionError("away", provider="rotator")
    out = StringIO()
    call_command("vault_revoke", provider="rotator", yes=True, stdout=out)
    assert "2 not revoked there" in out.getvalue()
    assert not Credential.objects.exists()


def test_a_paused_connection_is_revoked_too(two_logins: list[Connection]) -> None:
    Connection.objects.update(status=Connection.Status.PAUSED)
    call_command("vault_revoke", provider="rotator", yes=True, stdout=StringIO())
    assert set(Connection.objects.values_list("status", flat=True)) == {"needs_reauth"}


def test_without_a_yes_nothing_happens(two_logins: list[Connection], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda: "yes")
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("vault_revoke", provider="rotator", stdout=StringIO())
    with pytest.raises(CommandError, match="Write the time as"):
        call_command("vault_revoke", provider="rotator", since="last week", stdout=StringIO())
    assert Credential.objects.count() == 2
