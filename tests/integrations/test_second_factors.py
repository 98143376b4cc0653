"""Seeds of second factors: in the column there is an envelope, and it opens in its own row only."""

import json
from importlib import import_module
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.apps import apps
from django.db import connection
from django.test import Client, override_settings
from pytest_django import Settings

from accounts.models import AuditEntry, User
from integrations import encryption, sealed, vault
from integrations.encryption import new_key
from integrations.models import VaultRotation
from integrations.second_factors import SecondFactorAdapter
from integrations.services import rotating
from tests.authenticator_app import code_of
from tests.conftest import PASSWORD

SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
TOTP_ROW, CODES_ROW = Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES
migration = import_module("integrations.migrations.0008_seal_second_factors")


@pytest.fixture
def settled(coach: User) -> User:
    EmailAddress.objects.create(user=coach, email=coach.email, verified=True, primary=True)
    return coach


def column() -> dict[str, Any]:
    """What the table holds, by the kind of the row; read past the product."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT type, data::text FROM mfa_authenticator")
        return {kind: json.loads(data) for kind, data in cursor.fetchall()}


def overwrite(user: User, kind: str, **data: str) -> None:
    with connection.cursor() as cursor:
        sql = "UPDATE mfa_authenticator SET data = data || %s::jsonb WHERE user_id = %s AND type = %s"
        cursor.execute(sql, [json.dumps(data), user.pk, kind])


def code_now() -> str:
    return code_of(SEED)


def comes_in(user: User, code: str) -> int:
    """The status that the second step answers; 302 leads inside."""
    client = Client(raise_request_exception=False)
    client.post("/account/login/", {"login": user.email, "password": PASSWORD})
    answer = client.post("/account/2fa/authenticate/", {"code": code})
    assert ("_auth_user_id" in client.session) == (answer.status_code == 302)
    return answer.status_code


def test_the_column_holds_no_seed_and_the_code_opens_the_door(settled: User) -> None:
    TOTP.activate(settled, SEED)
    held = column()[TOTP_ROW]
    assert held["secret"].startswith("cv1:test:")
    assert SEED not in json.dumps(held)
    assert comes_in(settled, "000000") == 200
    assert comes_in(settled, code_now()) == 302


@pytest.mark.django_db(transaction=True)
def test_what_is_set_up_on_the_pages_is_sealed_and_recovery_codes_work(settled: User) -> None:
    client = Client()
    client.post("/account/login/", {"login": settled.email, "password": PASSWORD})
    seed = client.get("/account/2fa/totp/activate/").context["form"].secret
    code = code_of(seed)
    assert client.post("/account/2fa/totp/activate/", {"code": code}).status_code == 302
    held = column()
    assert [held[TOTP_ROW]["secret"][:4], held[CODES_ROW]["seed"][:4]] == ["cv1:", "cv1:"]
    assert seed not in json.dumps(held)
    codes = Authenticator.objects.get(type=CODES_ROW).wrap().get_unused_codes()
    assert len(codes) == 10
    assert [comes_in(settled, codes[0]), comes_in(settled, codes[0]), comes_in(settled, codes[1])] == [302, 200, 302]
    assert column()[CODES_ROW]["seed"] == held[CODES_ROW]["seed"]


def test_an_envelope_of_somebody_elses_row_opens_nothing(settled: User, athlete: User) -> None:
    """P11: whoever can move envelopes between rows puts his own seed in nobody's place."""
    TOTP.activate(settled, "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU")
    TOTP.activate(athlete, SEED)
    stolen = Authenticator.objects.get(user=athlete).data["secret"]
    overwrite(settled, TOTP_ROW, secret=str(stolen))
    assert comes_in(settled, code_now()) == 503
    entry = AuditEntry.objects.get(action="vault.not_opened")
    assert (entry.object_type, entry.object_id) == ("mfa.authenticator", str(settled.pk))
    assert entry.data["kind"] == "tampered"


def test_an_envelope_of_another_place_and_one_without_a_row_open_nothing(settled: User) -> None:
    TOTP.activate(settled, SEED)
    envelope = str(Authenticator.objects.get().data["secret"])
    place = {"model_label": "accounts.loginapplication", "row_uuid": str(settled.pk), "owner": f"user:{settled.pk}"}
    overwrite(settled, TOTP_ROW, secret=vault.seal_json({"secret": SEED}, field="data.secret", **place))
    assert comes_in(settled, code_now()) == 503
    with pytest.raises(vault.VaultUnavailable):
        SecondFactorAdapter().decrypt(envelope)


def test_a_seed_from_before_is_read_and_sealed_when_the_row_is_saved(settled: User) -> None:
    TOTP.activate(settled, SEED)
    overwrite(settled, TOTP_ROW, secret=SEED)
    assert comes_in(settled, code_now()) == 302
    Authenticator.objects.get().save()
    assert column()[TOTP_ROW]["secret"].startswith("cv1:")
    assert TOTP(Authenticator.objects.get()).validate_code("000000") is False


def test_the_migration_seals_what_lay_in_clear_and_opens_it_on_the_way_back(settled: User, athlete: User) -> None:
    for user in (settled, athlete):
        TOTP.activate(user, SEED)
    RecoveryCodes.activate(settled)
    codes = Authenticator.objects.get(type=CODES_ROW).wrap().get_unused_codes()
    sealed_one = column()
    migration.open_seeds(apps, None)
    assert column()[TOTP_ROW]["secret"] == SEED
    assert not column()[CODES_ROW]["seed"].startswith("cv1:")
    migration.seal_seeds(apps, None)
    migration.seal_seeds(apps, None)
    held = column()
    assert SEED not in json.dumps(held)
    assert held[CODES_ROW] != sealed_one[CODES_ROW]
    assert Authenticator.objects.get(type=CODES_ROW).wrap().get_unused_codes() == codes
    assert comes_in(settled, code_now()) == 302


@override_settings(CREDENTIAL_KEYS="")
def test_where_there_are_no_seeds_the_migration_needs_no_key(db: None) -> None:
    migration.seal_seeds(apps, None)


@pytest.mark.django_db(transaction=True)
def test_a_new_key_seals_them_anew_and_the_old_one_may_go(settled: User, settings: Settings) -> None:
    old, new = new_key("k1"), new_key("k2")
    settings.CREDENTIAL_KEYS = old
    TOTP.activate(settled, SEED)
    RecoveryCodes.activate(settled)
    codes = Authenticator.objects.get(type=CODES_ROW).wrap().get_unused_codes()
    settings.CREDENTIAL_KEYS = f"{new},{old}"
    rotation = rotating.start("k2", by=None)
    rotating.run(rotation.pk)
    rotation.refresh_from_db()
    assert (rotation.status, rotation.done_n, rotation.failed_n) == (VaultRotation.Status.DONE, 2, 0)
    settings.CREDENTIAL_KEYS = new
    held = column()
    assert {encryption.key_id(held[TOTP_ROW]["secret"]), encryption.key_id(held[CODES_ROW]["seed"])} == {"k2"}
    assert held[CODES_ROW]["used_mask"] == 0
    assert comes_in(settled, code_now()) == 302
    assert Authenticator.objects.get(type=CODES_ROW).wrap().get_unused_codes() == codes


def test_the_register_counts_them_and_leaves_out_what_is_still_in_clear(settled: User, athlete: User) -> None:
    for user in (settled, athlete):
        TOTP.activate(user, SEED)
    overwrite(athlete, TOTP_ROW, secret=SEED)
    counts = {each.name: each.count_by_key() for each in sealed.columns() if each.key}
    assert counts == {"mfa.authenticator.data.secret": {"test": 1}, "mfa.authenticator.data.seed": {}}


def test_without_its_key_the_door_says_to_come_back(settled: User) -> None:
    """P11c: nothing is lost, and nobody is told that his code was wrong."""
    TOTP.activate(settled, SEED)
    before = column()
    with override_settings(CREDENTIAL_KEYS=new_key("other")):
        assert comes_in(settled, code_now()) == 503
    assert column() == before
    assert comes_in(settled, code_now()) == 302
