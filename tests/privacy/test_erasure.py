"""The end of an account: at once for its owner, told to providers, and nothing personal left."""

from typing import Any

import pytest
from django.apps import apps
from django.core import mail
from django.db import DatabaseError
from django.db import connection as database
from django.test import Client

from accounts import data_requests
from accounts.models import DataRequest, User
from coaching.models import Activity, CoachingLink, ConsentEntry, Share, Workout
from coaching.services import inviting, sharing
from integrations import credentials
from integrations.models import Connection, Credential
from tests.coaching.world import make_workout
from tests.privacy.conftest import SECRET, WORDS
from tests.privacy.test_export import fresh


def erase(user: User) -> DataRequest:
    data_requests.ask(user, "erasure")
    data_requests.work_due()
    return DataRequest.objects.get(user=user, kind="erasure")


def all_text() -> str:
    """Every text and JSON in every table of ours, the audit log apart."""
    found = []
    with database.cursor() as cursor:
        for model in apps.get_models():
            if model._meta.app_label in {"accounts", "integrations", "webhooks", "coaching", "account", "usersessions"}:
                cursor.execute(f'SELECT t::text FROM "{model._meta.db_table}" t')
                found += [row[0] for row in cursor.fetchall()]
    return "\n".join(found)


def test_nothing_personal_is_left(known: User) -> None:
    done = erase(known)
    assert done.status == "done"
    text = all_text()
    for canary in ("athlete@example.org", "Ada Athlete", "ada77", WORDS, "Morning run", "Tuesday group", "cv1:"):
        assert canary not in text, canary
    known.refresh_from_db()
    assert known.erased_at
    assert not known.is_active
    assert not known.has_usable_password()


def test_its_owner_is_out_at_once(known: User) -> None:
    client = fresh(known)
    assert client.get("/account/data/").status_code == 200
    answer = client.post("/account/data/delete/", {"email": known.email.upper()})
    assert answer.status_code == 302
    assert client.get("/account/data/").status_code == 302
    assert "/account/data/" not in fresh(known).get("/account/data/")["Location"].split("?")[0]
    assert not CoachingLink.objects.active().exists()


def test_a_slip_deletes_nothing(known: User) -> None:
    answer = fresh(known).post("/account/data/delete/", {"email": "somebody@example.org"})
    assert "not the address you log in with" in answer.text
    assert not DataRequest.objects.exists()


def test_it_waits_for_the_provider_and_not_for_ever(known: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sealed login is kept until the provider was told; after 20 hours it goes anyway, and the report says so."""
    keep = Credential.objects.get()
    data_requests.ask(known, "erasure")
    if not Credential.objects.exists():
        keep.save(force_insert=True)  # as where a provider lets us end a login there, and does not answer
    data_requests.work_due()
    assert DataRequest.objects.get().status == "waiting"
    assert Activity.objects.exists()
    DataRequest.objects.update(created_at="2026-01-01T00:00Z", not_before="2026-01-01T00:00Z")
    data_requests.work_due()
    done = DataRequest.objects.get()
    assert done.status == "done"
    assert done.report["unfinished"] == ["connections"]
    assert not Credential.objects.exists()
    assert "did not answer" in mail.outbox[-1].body


def test_the_last_mail_goes_to_the_old_address(known: User) -> None:
    erase(known)
    assert mail.outbox[-1].to == ["athlete@example.org"]
    assert "activities: 2" in mail.outbox[-1].body
    assert DataRequest.objects.get().address == ""


def test_what_athletes_were_offered_stays_without_the_name(coach: User, athlete: User, link: CoachingLink) -> None:
    offered, never = make_workout(coach), make_workout(coach)
    assert offered.current is not None
    sharing.share_workout(offered.current, targets=[(link, None)], by=coach, message="For Ada")
    assert erase(coach).status == "done"
    share = Share.objects.get()
    assert (share.link.athlete, share.message, str(share.link.coach.display_name)) == (athlete, "", "")
    assert Workout.objects.filter(pk=offered.pk).exists()
    assert not Workout.objects.filter(pk=never.pk).exists()


def test_all_or_nothing(known: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that breaks leaves every row as it was, and the request is tried again."""
    data_requests.ask(known, "erasure")
    Credential.objects.all().delete()
    with database.cursor() as cursor:
        body = "BEGIN RAISE EXCEPTION 'no'; END"
        cursor.execute(f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
        cursor.execute("CREATE TRIGGER refuse BEFORE UPDATE ON accounts_user FOR EACH ROW EXECUTE FUNCTION refuse()")
    try:
        with pytest.raises(DatabaseError, match="no"):
            data_requests.work_due()
        assert Activity.objects.count() == 2
        assert DataRequest.objects.get().status == "working"
    finally:
        with database.cursor() as cursor:
            cursor.execute("DROP TRIGGER refuse ON accounts_user")
            cursor.execute("DROP FUNCTION refuse()")


def test_the_ledger_of_consent_is_never_changed(known: User) -> None:
    entry = ConsentEntry.objects.earliest("pk")
    entry.scopes = []
    with pytest.raises(TypeError):
        entry.save()


def test_the_ciphertext_is_gone(known: User) -> None:
    assert credentials.usable(Connection.objects.get()).secrets["token"] == SECRET
    erase(known)
    assert not Credential.objects.exists()


def test_twice_is_once(known: User, client: Client, settings: Any) -> None:
    first = data_requests.ask(known, "erasure")
    assert data_requests.ask(known, "erasure") == first


def test_an_athlete_reads_what_he_allowed_and_when(known: User) -> None:
    link = CoachingLink.objects.get(athlete=known)
    inviting.update_scopes(link, known, scopes=["plan"], auto_import=False)
    page = fresh(known).get("/coaches/").text
    assert page.index("Carla Coach: Changed") < page.index("Carla Coach: Allowed")
    assert [entry.scopes for entry in ConsentEntry.objects.order_by("pk")] == [
        ["plan", "activities", "notes"],
        ["plan"],
    ]
