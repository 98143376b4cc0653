"""Operations' pages: what they show, whom they let in, and that no secret ever comes out."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, User
from integrations import credentials, vault
from integrations.models import (
    Connection,
    Credential,
    DomainEvent,
    LoginCooldown,
    Provider,
    SyncJob,
    SyncStream,
    Tick,
)
from integrations.spec import Grant
from tests.conftest import make_user
from tests.integrations.admin_pages import CANARY, lists, page, staff

OURS = [model for model in admin.site._registry if model._meta.app_label in {"accounts", "integrations", "coaching"}]

# What is shown


def test_the_home_tells_how_it_stands(ops: Client, job: SyncJob, athlete: User) -> None:
    Credential.objects.update(refresh_failures=2, refresh_failed_at=timezone.now())
    LoginCooldown.objects.create(
        provider=job.stream.connection.provider, account_key="k" * 64, until=timezone.now() + timedelta(hours=1)
    )
    SyncStream.objects.update(sweep_held_generation=1, sweep_held_n=30)
    DomainEvent.objects.create(
        type="x", source="x", subject_type="x", subject_id="1", next_attempt_at=timezone.now() - timedelta(hours=2)
    )
    Tick.objects.create(name="tick_streams", last_at=timezone.now(), last_count=7)
    html = ops.get(reverse("admin:index")).content.decode()
    for words in (
        "Garmin Connect",
        "Enabled",
        "Renewals failing",
        "1 held deletion",
        "2\xa0hours",
        "tick_streams",
        "test",
    ):
        assert words in html
    assert "No periodic work" not in html
    assert CANARY not in html


def test_the_home_says_when_beat_is_silent(ops: Client) -> None:
    Tick.objects.create(name="tick_streams", last_at=timezone.now() - timedelta(minutes=10))
    assert "is beat running" in ops.get(reverse("admin:index")).content.decode()


def test_the_home_asks_as_much_for_many_connections_as_for_one(
    ops: Client, connection: Connection, django_assert_max_num_queries: Callable[[int], AbstractContextManager[Any]]
) -> None:
    for number in range(12):
        user = make_user(f"many{number}@example.org", f"Many {number}")
        Connection.objects.create(user=user, provider=connection.provider)
    with django_assert_max_num_queries(25):
        assert ops.get(reverse("admin:index")).status_code == 200


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label_lower)
def test_every_list_and_search_opens(ops: Client, job: SyncJob, model: Any) -> None:
    assert ops.get(lists(model)).status_code == 200
    assert ops.get(lists(model), {"q": "nobody@example.org"}).status_code == 200
    for row in model._default_manager.all()[:1]:
        assert ops.get(page(row)).status_code == 200


@pytest.mark.parametrize("model", [Connection, Credential, SyncStream, SyncJob], ids=lambda m: m._meta.model_name)
def test_lists_ask_as_much_for_twenty_rows_as_for_two(ops: Client, garmin_provider: Provider, model: Any) -> None:
    def add(number: int) -> None:
        user = make_user(f"row{number}@example.org", f"Row {number}")
        connection = Connection.objects.create(
            user=user, provider=garmin_provider, status="active", external_account_id=str(number)
        )
        credentials.store(connection, Grant({"a": "b"}, None), kind=Credential.Kind.SESSION)
        SyncJob.objects.create(stream=SyncStream.objects.create(connection=connection, resource="workouts"))

    def queries() -> int:
        with CaptureQueriesContext(database) as captured:
            assert ops.get(lists(model)).status_code == 200
        return len(captured)

    add(1)
    add(2)
    few = queries()
    for number in range(3, 21):
        add(number)
    assert queries() == few


def test_no_page_shows_what_is_sealed(ops: Client, connection: Connection) -> None:
    credential = Credential.objects.get()
    for url in (page(credential), lists(Credential), page(connection), page(credential).replace("change", "history")):
        html = ops.get(url).content.decode()
        assert CANARY not in html
        assert credential.sealed[12:40] not in html
    assert vault.fingerprint(credential.sealed) in ops.get(page(credential)).content.decode()


# Who may what


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label_lower)
def test_only_staff_gets_in(client: Client, coach: User, model: Any) -> None:
    client.force_login(coach)
    assert client.get(lists(model)).status_code in (302, 403)
    assert staff().get(lists(model)).status_code == 403


def test_who_may_look_may_not_operate(connection: Connection) -> None:
    viewer = staff("view_connection", "view_credential")
    assert viewer.get(page(connection)).status_code == 200
    assert b"Disconnect" not in viewer.get(page(connection)).content
    viewer.post(lists(connection), {"action": "disconnect", "_selected_action": [connection.pk], "confirmed": "1",
                                    "reason": "because I can"})  # fmt: skip
    connection.refresh_from_db()
    assert connection.status == Connection.Status.ACTIVE


def test_nobody_edits_adds_or_deletes_a_credential(ops: Client, connection: Connection) -> None:
    credential = Credential.objects.get()
    assert ops.get(reverse("admin:integrations_credential_add")).status_code == 403
    assert ops.post(page(credential).replace("change", "delete"), {"post": "yes"}).status_code == 403
    assert ops.post(page(credential), {"version": 99}).status_code == 403
    assert Credential.objects.get().version == 1


@pytest.mark.parametrize(
    "lookup",
    [
        "sealed__startswith",
        "sealed",
        "connection__credential__sealed__startswith",
        "connection__user__password__startswith",
        "connection__user__email__contains",
        "lease_token",
    ],
)
def test_no_filter_lets_a_secret_be_guessed(ops: Client, connection: Connection, lookup: str) -> None:
    assert ops.get(lists(Credential), {lookup: "cv1:"}).status_code == 400


@pytest.mark.parametrize("lookup", ["password__startswith", "email__contains"])
def test_nor_a_password(ops: Client, lookup: str) -> None:
    assert ops.get(lists(User), {lookup: "x"}).status_code == 400


def test_the_offered_filters_work(ops: Client, job: SyncJob) -> None:
    connection = job.stream.connection
    shown = ops.get(page(connection)).content.decode()
    assert f"connection__id__exact={connection.pk}" in shown
    queries: list[tuple[Any, dict[str, Any]]] = [
        (Credential, {"connection__id__exact": connection.pk}),
        (Credential, {"kind__exact": "session"}),
        (SyncJob, {"stream__connection__id__exact": connection.pk, "status__exact": "running"}),
        (SyncStream, {"sweep_held_n__isempty": "0"}),
        (Connection, {"provider__id__exact": connection.provider_id, "last_ok_at__gte": "2026-01-01"}),
        (AuditEntry, {"object_id__exact": str(connection.public_id)}),
    ]
    for model, query in queries:
        assert ops.get(lists(model), query).status_code == 200, (model, query)


@pytest.mark.parametrize("path", ["mfa/authenticator/", "usersessions/usersession/", "account/emailaddress/"])
def test_second_factors_sessions_and_addresses_have_no_page(ops: Client, path: str) -> None:
    assert ops.get(reverse("admin:index") + path).status_code == 404


def test_the_three_groups_of_staff_may_what_their_names_say(connection: Connection) -> None:
    def may(group: str, permission: str) -> bool:
        user = make_user(f"{group}@example.org", group, is_staff=True)
        user.groups.add(Group.objects.get(name=f"Operations: {group}"))
        allowed = user.has_perm(permission)
        user.delete()
        return allowed

    assert may("view", "integrations.view_credential")
    assert not may("view", "integrations.change_connection")
    assert may("operate", "integrations.change_connection")
    assert may("operate", "coaching.change_delivery")
    assert not may("operate", "accounts.change_user")
    assert not may("operate", "integrations.set_provider_secrets")
    assert may("secrets", "integrations.set_provider_secrets")
    assert may("secrets", "accounts.change_user")
