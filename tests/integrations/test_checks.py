"""A broken key ring is told before anything is sealed or opened with it."""

import base64
import os
import subprocess
import sys
from io import StringIO

import pytest
from django.core.checks import Tags, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.test import override_settings

from accounts.models import User
from config import startup
from integrations import vault
from integrations.encryption import new_key
from integrations.models import Connection, Credential, Provider


def fixed_key(kid: str, letter: str) -> str:
    """A ring entry that is the same in every test process."""
    return f"{kid}:{base64.b64encode(bytes(ord(letter) ^ n for n in range(32))).decode()}"


GOOD = fixed_key("k1", "a")
TYPED = "t" + "yped" * 7 + "xyz"


def codes(*, databases: list[str] | None = None) -> list[str]:
    found = [str(message.id) for message in run_checks(tags=[Tags.security, Tags.database], databases=databases)]
    return [code.removeprefix("integrations.") for code in found if code.startswith("integrations.E00")]


@pytest.mark.parametrize(
    ("ring", "expected"),
    [
        (GOOD, []),
        (f"{GOOD},{fixed_key('k2', 'b')}", []),
        ("", ["E001"]),
        ("k1:AAAA", ["E002"]),
        (f"{GOOD},{fixed_key('k1', 'c')}", ["E003"]),
        (GOOD.replace("k1", "K 1"), ["E004"]),
        ("k1:" + base64.b64encode(bytes(32)).decode(), ["E005"]),
        ("k1:" + base64.b64encode(b"\x07" * 32).decode(), ["E005"]),
        ("k1:" + base64.b64encode(TYPED.encode()).decode(), ["E005"]),
    ],
)
def test_the_ring_is_checked_at_every_start(ring: str, expected: list[str]) -> None:
    with override_settings(CREDENTIAL_KEYS=ring, SECRET_KEY=TYPED + "and so on" * 5):
        assert codes() == expected
        if expected:
            with pytest.raises(ImproperlyConfigured, match="CREDENTIAL_KEYS"):
                startup.require_safety()
        else:
            startup.require_safety()


def _seal_into(table: str, user: User, provider: Provider) -> None:
    blob = vault.seal_json({}, model_label="x", row_uuid="x", field="x", owner="x")
    if table == "provider":
        Provider.objects.filter(pk=provider.pk).update(client_secret=blob)
    else:
        connection = Connection.objects.create(user=user, provider=provider)
        Credential.objects.create(connection=connection, kind="session", sealed=blob, key_id="test")


@pytest.mark.parametrize("table", ["provider", "credential"])
def test_rows_under_a_key_that_is_gone_stop_the_migration(athlete: User, garmin_provider: Provider, table: str) -> None:
    _seal_into(table, athlete, garmin_provider)
    assert codes(databases=["default"]) == []
    with override_settings(CREDENTIAL_KEYS=GOOD):
        assert codes() == []  # without a database nothing is asked of it
        assert codes(databases=["default"]) == ["E006"]
        with pytest.raises(SystemCheckError, match="the key test"):
            call_command("migrate", skip_checks=False, stdout=StringIO(), stderr=StringIO())


def test_other_bytes_under_a_known_id_are_found(db: None) -> None:
    with override_settings(CREDENTIAL_KEYS=GOOD):
        vault.seal_json({}, model_label="x", row_uuid="x", field="x", owner="x")
        assert codes(databases=["default"]) == []
    with override_settings(CREDENTIAL_KEYS=new_key("k1")):
        assert codes(databases=["default"]) == ["E007"]


@pytest.mark.django_db(transaction=True)
def test_an_empty_database_is_no_error() -> None:
    """`migrate` runs the checks before there is any table."""

    with connection.cursor() as cursor:
        cursor.execute("SET search_path TO pg_temp")
    try:
        assert codes(databases=["default"]) == []
    finally:
        connection.close()


def test_a_new_key_is_a_good_ring() -> None:
    made = [StringIO(), StringIO()]
    for out in made:
        call_command("vault_key", "new", stdout=out)
    one, other = (out.getvalue() for out in made)
    assert one != other
    with override_settings(CREDENTIAL_KEYS=one):
        assert codes() == []
        assert call_command("vault_key", "new", stdout=StringIO()) is None
    with override_settings(CREDENTIAL_KEYS=""):
        call_command("vault_key", "new", stdout=StringIO())


def test_missing_provider_rows_are_made_switched_off_and_others_left_alone(db: None) -> None:
    Provider.objects.all().delete()
    call_command("sync_providers", stdout=StringIO())
    provider = Provider.objects.get(slug="garmin")
    assert (provider.name, provider.mode, provider.visible_to_coach) == ("Garmin Connect", "off", True)
    provider.mode, provider.name = "enabled", "Garmin, ours"
    provider.save()
    out = StringIO()
    call_command("sync_providers", stdout=out)
    provider.refresh_from_db()
    assert (provider.mode, provider.name) == ("enabled", "Garmin, ours")
    assert "nothing to do" in out.getvalue().lower()


def test_migrating_makes_the_rows(db: None) -> None:
    Provider.objects.all().delete()
    call_command("migrate", stdout=StringIO())
    assert Provider.objects.filter(slug="garmin", mode="off").exists()


@pytest.mark.parametrize(
    "command", [["celery", "-A", "config", "worker", "-P", "solo"], ["celery", "-A", "config", "beat"]]
)
def test_no_worker_starts_with_a_broken_ring(command: list[str]) -> None:
    started = subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, "CREDENTIAL_KEYS": "k1:AAAA"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert started.returncode == 1
    assert "integrations.E002" in started.stderr


def test_no_web_server_starts_with_a_broken_ring() -> None:
    started = subprocess.run(
        [sys.executable, "-c", "import config.wsgi"],
        env={**os.environ, "CREDENTIAL_KEYS": "k1:AAAA"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert started.returncode == 1
    assert "integrations.E002" in started.stderr
