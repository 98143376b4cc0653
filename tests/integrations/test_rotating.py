"""A rotation under everything that can happen to it: readers, writers, kills, stops, lost keys and the wrong order."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from itertools import permutations
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection as database
from django.db import models
from django.db.models import Q
from django.test import override_settings
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEntry, User
from integrations import credentials, encryption, sealed, tasks, vault
from integrations.encryption import new_key
from integrations.logins import secret_place
from integrations.models import Connection, ConnectSession, Credential, Provider, VaultKey, VaultRotation
from integrations.services import connecting, reaping, rotating
from integrations.spec import Grant
from tests.integrations import sealing
from tests.integrations.broker import taken
from tests.integrations.sealing import secrets_of

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
Status = VaultRotation.Status


@pytest.fixture
def keys() -> dict[str, str]:
    """Drawn anew: a process remembers the keys that it has written down."""
    return {kid: new_key(kid) for kid in ("k1", "k2")}


@pytest.fixture
def rings(keys: dict[str, str]) -> dict[str, str]:
    """The ring before, while and after the key changes."""
    return {
        "old": keys["k1"],
        "added": f"{keys['k1']},{keys['k2']}",
        "new": f"{keys['k2']},{keys['k1']}",
        "only_new": keys["k2"],
    }


@pytest.fixture
def rows(garmin_provider: Provider, rings: dict[str, str], settings: Settings) -> list[Credential]:
    """Logins under k1; the ring has k2 first now."""
    settings.CREDENTIAL_KEYS = rings["old"]
    made = sealing.credentials(garmin_provider, 25)
    settings.CREDENTIAL_KEYS = rings["new"]
    return made


def run(**options: Any) -> VaultRotation:
    rotation = rotating.start("k2", by=None)
    rotating.run(rotation.pk, **options)
    rotation.refresh_from_db()
    return rotation


def held_by(credential: Credential) -> dict[str, str]:
    """Opened as the product opens it."""
    return dict(credentials.present(credential.connection).secrets)


def blobs() -> list[tuple[int, str, str]]:
    return list(Credential.objects.order_by("pk").values_list("pk", "sealed", "key_id"))


# The register


def sealed_by_constraint() -> set[str]:
    """Every column of ours that the database holds to "cv1:"."""
    found = set()
    for model in apps.get_models():
        for constraint in model._meta.constraints:
            if isinstance(constraint, models.CheckConstraint):
                found |= {
                    f"{model._meta.label_lower}.{path.removesuffix('__startswith')}"
                    for path, value in _leaves(constraint.condition)
                    if path.endswith("__startswith") and value == "cv1:"
                }
    return found


def _leaves(condition: Any) -> Iterator[tuple[str, object]]:
    for child in condition.children:
        if isinstance(child, Q):
            yield from _leaves(child)
        else:
            yield child


def test_every_sealed_column_is_in_the_register() -> None:
    assert sealed_by_constraint() == {column.name for column in sealed.columns() if not column.key}
    assert len(sealed_by_constraint()) >= 3


def test_every_column_that_by_its_name_holds_a_secret_is_sealed() -> None:
    suspicious = {
        f"{model._meta.label_lower}.{field.name}"
        for model in apps.get_models()
        if model._meta.app_label in {"accounts", "integrations", "webhooks", "coaching"}
        for field in model._meta.concrete_fields
        if isinstance(field, models.TextField) and ("sealed" in field.name or "secret" in field.name)
    }
    assert suspicious == {column.name for column in sealed.columns() if not column.key}


def test_the_register_knows_the_place_that_the_product_seals_for(
    athlete: User, garmin_provider: Provider, settings: Settings, rings: dict[str, str]
) -> None:
    connection = Connection.objects.create(user=athlete, provider=garmin_provider)
    credentials.store(connection, Grant({"access": "of the login"}, None), kind=Credential.Kind.SESSION)
    garmin_provider.client_secret = vault.seal_json({"access": "of the client"}, **secret_place(garmin_provider))
    garmin_provider.save()
    connecting.begin(make_other(), garmin_provider, {"email": "x@example.org", "password": "of the session"})
    opened = {}
    for column in sealed.columns():
        for batch in column.batches(10):
            for row in batch:
                plaintext = encryption.open_sealed(row.blob, keyring=vault.keyring(), context=row.context).reveal()
                opened[column.label] = json.loads(plaintext)
    assert opened["integrations.credential"] == {"access": "of the login"}
    assert opened["integrations.provider"] == {"access": "of the client"}
    assert opened["integrations.connectsession"]["password"] == "of the session"


def make_other() -> User:
    return User.objects.create_user("other@example.org", "correct horse battery", display_name="Otto")


# P11


def test_no_ciphertext_opens_in_another_row(rows: list[Credential]) -> None:
    """Every two of them swapped by SQL: none opens, and the rows stay as they are."""
    chosen = rows[:8]
    own = {row.pk: row.sealed for row in chosen}
    for one, other in permutations(chosen, 2):
        Credential.objects.filter(pk=one.pk).update(sealed=own[other.pk])
        with pytest.raises(vault.VaultUnavailable) as refused:
            held_by(one)
        assert refused.value.code == "vault_tampered"
        Credential.objects.filter(pk=one.pk).update(sealed=own[one.pk])
    assert [held_by(row) for row in chosen] == [secrets_of(number) for number in range(8)]


def test_a_rotation_does_not_launder_what_was_swapped(rows: list[Credential]) -> None:
    """It is counted, told and left as it is; everything else goes on."""
    Credential.objects.filter(pk=rows[3].pk).update(sealed=rows[4].sealed)
    before = blobs()[3]
    rotation = run(size=7)
    assert (rotation.status, rotation.done_n, rotation.failed_n) == (Status.DONE, 24, 1)
    assert rotation.error_detail == "1 tampered"
    assert blobs()[3] == before
    entry = AuditEntry.objects.get(action="vault.not_opened")
    assert (entry.object_id, entry.data["kind"]) == (str(rows[3].public_id), "tampered")
    ended = AuditEntry.objects.get(action="vaultrotation.rotate_ended")
    assert (ended.outcome, ended.data["failed"]) == ("failure", {"tampered": 1})


# What a rotation does


def test_everything_is_sealed_anew_and_means_the_same(rows: list[Credential]) -> None:
    versions = list(Credential.objects.order_by("pk").values_list("version", flat=True))
    rotation = run(size=10)
    assert (rotation.status, rotation.total_n, rotation.done_n, rotation.failed_n) == (Status.DONE, 25, 25, 0)
    assert rotation.ended_at is not None
    assert {(blob.split(":")[1], key_id) for _, blob, key_id in blobs()} == {("k2", "k2")}
    assert [held_by(row) for row in rows] == [secrets_of(number) for number in range(25)]
    assert list(Credential.objects.order_by("pk").values_list("version", flat=True)) == versions


def test_client_secrets_are_sealed_anew_and_logins_being_made_are_left_alone(
    rows: list[Credential], garmin_provider: Provider, rings: dict[str, str]
) -> None:
    with override_settings(CREDENTIAL_KEYS=rings["old"]):
        secret = vault.seal_json({"client_secret": "s"}, **secret_place(garmin_provider))
        Provider.objects.filter(pk=garmin_provider.pk).update(client_secret=secret)
        session = connecting.begin(make_other(), garmin_provider, {"email": "x@example.org", "password": "p"})
    run()
    garmin_provider.refresh_from_db()
    assert encryption.key_id(garmin_provider.client_secret) == "k2"
    assert vault.open_json(garmin_provider.client_secret, **secret_place(garmin_provider)) == {"client_secret": "s"}
    assert encryption.key_id(ConnectSession.objects.get(pk=session.pk).sealed) == "k1"
    with pytest.raises(SystemExit):
        call_command("vault_rotate", check=True, stdout=StringIO(), stderr=StringIO())
    ConnectSession.objects.update(created_at=timezone.now() - 2 * HOUR, expires_at=timezone.now() - HOUR)
    call_command("vault_rotate", check=True, stdout=StringIO())


def test_a_second_run_changes_nothing(rows: list[Credential]) -> None:
    run()
    before = blobs()
    again = run()
    assert (again.status, again.done_n, again.total_n) == (Status.DONE, 0, 0)
    assert blobs() == before


def test_two_runs_at_once_are_one(rows: list[Credential]) -> None:
    rotation = rotating.start("k2", by=None)
    assert rotating.start("k2", by=None) == rotation
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: _in_thread(lambda: rotating.run(rotation.pk, size=3)), range(2)))
    rotation.refresh_from_db()
    assert (rotation.status, rotation.done_n, rotation.attempts) == (Status.DONE, 25, 0)


def _in_thread(work: Callable[[], Any]) -> Any:
    try:
        return work()
    finally:
        database.close()


def test_what_somebody_writes_between_reading_and_writing_stands(
    rows: list[Credential], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login that comes while the batch is being sealed is the one that is there afterwards."""
    reseal, newer = rotating._reseal, Grant({"access": "newer"}, None)

    def meanwhile(*args: Any) -> Any:
        done = reseal(*args)
        if Credential.objects.get(pk=rows[0].pk).version == 1:
            credentials.store(rows[0].connection, newer, kind=Credential.Kind.SESSION)
        return done

    monkeypatch.setattr(rotating, "_reseal", meanwhile)
    rotation = run()
    assert held_by(rows[0]) == {"access": "newer"}
    assert (rotation.status, rotation.done_n, rotating.left("k2")) == (Status.DONE, 24, 0)


def test_a_row_that_comes_back_under_the_old_key_is_taken_in_the_next_round(
    rows: list[Credential], rings: dict[str, str]
) -> None:
    """A process that has not restarted yet still seals with the old one."""

    def late(rotation: VaultRotation) -> None:
        if rotation.done_n == 25:
            with override_settings(CREDENTIAL_KEYS=rings["added"]):
                credentials.store(rows[0].connection, Grant({"access": "late"}, None), kind=Credential.Kind.SESSION)

    rotation = run(told=late)
    assert (rotation.done_n, rotating.left("k2")) == (26, 0)
    assert held_by(rows[0]) == {"access": "late"}


def test_a_stopped_one_stops_at_its_batch_and_goes_on_where_it_was(rows: list[Credential]) -> None:
    rotation = rotating.start("k2", by=None)
    rotating.run(rotation.pk, size=10, told=rotating.stop)
    rotation.refresh_from_db()
    assert (rotation.status, rotation.done_n, rotating.left("k2")) == (Status.STOPPED, 10, 15)
    rotating.run(rotation.pk)
    assert rotating.left("k2") == 15
    assert rotating.go_on(rotation)
    assert not rotating.go_on(rotation)
    rotating.run(rotation.pk)
    rotation.refresh_from_db()
    assert (rotation.status, rotation.done_n, rotation.total_n, rotating.left("k2")) == (Status.DONE, 25, 25, 0)


def test_a_long_one_works_in_slices_and_rings_for_the_next(rows: list[Credential], settings: Settings) -> None:
    settings.TIME_SCALE = 1e-9
    rotation = rotating.start("k2", by=None)
    taken("housekeeping")
    for done in (10, 20):
        rotating.run(rotation.pk, size=10)
        rotation.refresh_from_db()
        assert (rotation.status, rotation.done_n) == (Status.QUEUED, done)
        assert taken("housekeeping") == [("integrations.tasks.rotate_keys", [rotation.pk])]


def test_a_tick_rings_for_what_waits_and_writes_down_a_new_first_key(rows: list[Credential]) -> None:
    assert not VaultKey.objects.filter(kid="k2").exists()
    tasks.tick_rotations()
    assert VaultKey.objects.filter(kid="k2").exists()
    rotation = rotating.start("k2", by=None, rings=False)
    taken("housekeeping")
    tasks.tick_rotations()
    assert ("integrations.tasks.rotate_keys", [rotation.pk]) in taken("housekeeping")


def test_a_worker_with_the_ring_of_yesterday_leaves_it_to_others(rows: list[Credential], rings: dict[str, str]) -> None:
    rotation = rotating.start("k2", by=None)
    before = blobs()
    with override_settings(CREDENTIAL_KEYS=rings["added"]):
        rotating.run(rotation.pk)
    rotation.refresh_from_db()
    assert (rotation.status, rotation.error_code, blobs()) == (Status.QUEUED, "key_not_first", before)
    assert "still seals with k1" in rotation.error_detail
    VaultRotation.objects.update(next_attempt_at=timezone.now())
    rotating.run(rotation.pk)
    assert rotating.left("k2") == 0


def test_a_silent_worker_is_replaced_and_one_that_dies_again_and_again_is_stopped(rows: list[Credential]) -> None:
    rotation = rotating.start("k2", by=None)
    for death in range(1, 6):
        assert VaultRotation.objects.claim(rotation.pk) is not None
        VaultRotation.objects.update(lease_until=timezone.now() - HOUR)
        assert reaping.reap() == 1
        rotation.refresh_from_db()
        assert rotation.status == (Status.QUEUED if death < 5 else Status.STOPPED)
    assert "died several times" in rotation.error_detail


def test_who_has_lost_the_lease_writes_nothing(rows: list[Credential]) -> None:
    """The slow zombie: its batch is undone."""

    def taken_over(rotation: VaultRotation) -> None:
        VaultRotation.objects.update(lease_token="1" * 32)

    rotation = run(size=10, told=taken_over)
    assert (rotation.status, rotation.done_n, rotating.left("k2")) == (Status.RUNNING, 10, 15)
