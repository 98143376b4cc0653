"""Sealed values in the database: bound to their row and owner, loud and harmless when they do not open."""

import base64
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import pytest
from django.test import override_settings

from accounts.models import AuditEntry
from integrations import vault
from integrations.encryption import new_key
from integrations.models import VaultKey

HERE = {"model_label": "integrations.credential", "field": "sealed", "owner": "user:42"}


@pytest.fixture
def row() -> dict[str, str]:
    return {**HERE, "row_uuid": str(uuid4())}


def test_what_was_sealed_opens_where_it_was_sealed(db: None, row: dict[str, str]) -> None:
    blob = vault.seal_json({"token": "päss", "n": 1}, **row)
    assert blob.startswith("cv1:test:")
    assert vault.open_json(blob, **row) == {"token": "päss", "n": 1}


@pytest.mark.parametrize("changed", ["model_label", "row_uuid", "field", "owner"])
def test_it_opens_nowhere_else_and_operations_hear_of_it_once(db: None, row: dict[str, str], changed: str) -> None:
    blob = vault.seal_json({"token": "x"}, **row)
    elsewhere = {**row, changed: f"other-{uuid4().hex[:8]}"}
    for _ in range(3):
        with pytest.raises(vault.VaultUnavailable) as refused:
            vault.open_json(blob, **elsewhere)
    assert (refused.value.code, refused.value.retryable) == ("vault_tampered", False)
    entry = AuditEntry.objects.get(action="vault.not_opened")
    assert (entry.object_id, entry.level, entry.data["kind"]) == (elsewhere["row_uuid"], "security", "tampered")


def test_a_key_is_written_down_when_it_first_seals(db: None, row: dict[str, str]) -> None:
    ring = new_key("fresh")
    with override_settings(CREDENTIAL_KEYS=ring):
        vault.seal_json({}, **row)
        vault.seal_json({}, **row)
    key = VaultKey.objects.get(kid="fresh")
    assert len(key.check_value) == 32
    assert base64.b64decode(ring.removeprefix("fresh:")).hex() not in key.check_value


@pytest.mark.django_db(transaction=True)
def test_once_a_key_is_known_sealing_asks_the_database_nothing(
    row: dict[str, str], django_assert_num_queries: Callable[[int], AbstractContextManager[Any]]
) -> None:
    with override_settings(CREDENTIAL_KEYS=new_key("cheap")):
        vault.seal_json({}, **row)
        with django_assert_num_queries(0):
            vault.open_json(vault.seal_json({}, **row), **row)


def test_a_missing_key_parks_the_work_and_is_over_when_it_is_back(db: None, row: dict[str, str]) -> None:
    blob = vault.seal_json({"token": "x"}, **row)
    with override_settings(CREDENTIAL_KEYS=new_key("other")), pytest.raises(vault.VaultParked) as parked:
        vault.open_json(blob, **row)
    assert parked.value.retryable
    assert parked.value.halted
    assert vault.open_json(blob, **row) == {"token": "x"}


def test_other_bytes_under_a_known_id_neither_open_nor_seal(db: None, row: dict[str, str]) -> None:
    blob = vault.seal_json({"token": "x"}, **row)
    with override_settings(CREDENTIAL_KEYS=new_key("test")):
        with pytest.raises(vault.VaultUnavailable) as refused:
            vault.open_json(blob, **row)
        assert refused.value.code == "vault_wrong_key"
        with pytest.raises(vault.VaultUnavailable):
            vault.seal_json({"token": "x"}, **row)
    assert vault.open_json(blob, **row) == {"token": "x"}


@override_settings(CREDENTIAL_KEYS="")
def test_without_a_ring_nothing_is_sealed(db: None, row: dict[str, str]) -> None:
    with pytest.raises(vault.VaultUnavailable) as refused:
        vault.seal_json({"token": "x"}, **row)
    assert refused.value.code == "vault_no_keys"
