"""A copy of everything: whole, only mine, and without what nobody may read."""

import io
import json
from typing import Any
from zipfile import ZipFile

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.db import models
from django.test import Client
from django.urls import reverse

from accounts import data_requests
from accounts.models import DataRequest, User
from tests.conftest import PASSWORD
from tests.privacy.conftest import SECRET, WORDS

PAGE = "/account/data/"


def copy_of(user: User) -> dict[str, bytes]:
    data_requests.ask(user, "export")
    data_requests.work_due()
    request = DataRequest.objects.get(user=user)
    assert request.status == "done"
    with request.file.open() as raw, ZipFile(io.BytesIO(raw.read())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rows(found: dict[str, bytes], name: str) -> list[dict[str, Any]]:
    return json.loads(found[name])  # type: ignore[no-any-return]


def test_it_holds_what_is_known(known: User) -> None:
    found = copy_of(known)
    assert rows(found, "account/profile.json")[0]["email"] == known.email
    assert rows(found, "connections/connections.json")[0]["external_account_id"] == "77"
    assert [row["name"] for row in rows(found, "coaching/activities.json")] == ["Morning run"] * 2
    assert rows(found, "coaching/notes.json")[0]["text"] == WORDS
    assert rows(found, "coaching/consent.json")[0]["scopes"] == ["plan", "activities", "notes"]
    assert rows(found, "coaching/library.json")[0]["content"]["name"] == "Easy run"
    assert [text for name, text in found.items() if name.startswith("coaching/files/")] == [b"the original"]


def test_no_secret_is_in_it(known: User) -> None:
    whole = b"".join(copy_of(known).values())
    for secret in (SECRET, "cv1:", known.password, "1" * 64, "2" * 64):
        assert secret.encode() not in whole


def test_nothing_of_others_is_in_it(known: User, coach: User, stranger: User) -> None:
    whole = b"".join(copy_of(stranger).values())
    for canary in (known.email, coach.email, WORDS, "Morning run", "ada77"):
        assert canary.encode() not in whole
    assert rows(copy_of(known), "account/profile.json")[0]["email"] == known.email


def test_an_interrupted_one_is_made_anew(known: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that died holds it until its lease is over, and no longer."""
    request = data_requests.ask(known, "export")
    DataRequest.objects.update(status="working", attempts=1, lease_until="2026-01-01T00:00Z")
    data_requests.work_due()
    request.refresh_from_db()
    assert (request.status, request.attempts) == ("done", 2)


def test_one_that_always_fails_ends(known: User) -> None:
    data_requests.ask(known, "export")
    DataRequest.objects.update(status="working", attempts=5, lease_until="2026-01-01T00:00Z")
    data_requests.work_due()
    assert DataRequest.objects.get().status == "failed"


def test_it_is_there_for_a_week(known: User, client: Client) -> None:
    copy_of(known)
    request = DataRequest.objects.get()
    storage, name = request.file.storage, str(request.file.name)
    assert storage.exists(name)
    DataRequest.objects.update(expires_at="2026-01-01T00:00Z")
    client.force_login(known)
    data_requests.work_due()
    assert not DataRequest.objects.exists()
    assert not storage.exists(name)


def test_two_clicks_are_one_copy(known: User) -> None:
    assert data_requests.ask(known, "export") == data_requests.ask(known, "export")
    assert DataRequest.objects.count() == 1


def test_only_its_owner_gets_it(known: User, stranger: User) -> None:
    copy_of(known)
    address = reverse("accounts:download", args=[DataRequest.objects.get().public_id])
    assert fresh(stranger).get(address).status_code == 404
    answer = fresh(known).get(address)
    assert answer.status_code == 200
    assert "attachment" in answer["Content-Disposition"]
    assert b"".join(answer.streaming_content)[:2] == b"PK"  # type: ignore[attr-defined]


def test_a_login_of_long_ago_asks_for_the_password(known: User) -> None:
    client = Client()
    client.force_login(known)
    session = client.session
    session["confirmed_at"] -= 3600
    session.save()
    assert "reauthenticate" in client.post(f"{PAGE}copy/")["Location"]
    assert not DataRequest.objects.exists()


def fresh(user: User) -> Client:
    """Somebody who has just given his password."""
    EmailAddress.objects.get_or_create(user=user, email=user.email, verified=True, primary=True)
    client = Client()
    client.post("/account/login/", {"login": user.email, "password": PASSWORD})
    return client


LEFT = {
    "accounts.AuditEntry": "append-only; its actor is a blanked row afterwards",
    "accounts.DataRequest": "the report itself",
    "integrations.Connection": "without account and name",
    "coaching.CoachingLink": "as a coach: it is the athlete's history",
    "coaching.Workout": "as a coach: what athletes were offered stays for them",
    "coaching.ConsentEntry": "who changed it is a blanked row",
    "coaching.DuplicatePair": "who decided is a blanked row",
}
BY_OPERATIONS = {  # what people of operations did; their rows are blanked, what they did stays
    "admin.LogEntry", "integrations.MaintenanceWindow", "integrations.BackfillWindow", "integrations.SyncJob",
    "integrations.VaultRotation",
}  # fmt: skip


def test_every_table_that_knows_people_is_thought_of(known: User) -> None:
    """A new table with a foreign key to a person fails here until the fixture has a row of it and somebody says
    what becomes of it."""
    models = [model for model in apps.get_models() if _query(model, known)]
    unseen = {model._meta.label for model in models if not _rows_of(model, known)}
    assert unseen <= BY_OPERATIONS | {"accounts.AuditEntry", "accounts.DataRequest"}, unseen
    data_requests.ask(known, "erasure")
    DataRequest.objects.update(created_at="2026-01-01T00:00Z")
    data_requests.work_due()
    assert DataRequest.objects.get(kind="erasure").status == "done"
    left = {model._meta.label for model in models if _rows_of(model, known)}
    assert left <= LEFT.keys(), left


def _query(model: type[models.Model], user: User) -> models.Q:
    query = models.Q()
    for field in (field for field in model._meta.fields if field.related_model is User):
        query |= models.Q(**{field.name: user})
    return query


def _rows_of(model: type[models.Model], user: User) -> int:
    return model._base_manager.filter(_query(model, user)).count()
