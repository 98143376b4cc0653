"""Operations' pages: what they show, whom they let in, what each button does, and that no secret ever comes out."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, User
from integrations import credentials, vault
from integrations.logins import secret_place
from integrations.models import (
    Connection,
    Credential,
    DomainEvent,
    LoginCooldown,
    Provider,
    ProviderMode,
    SyncJob,
    SyncStream,
    Tick,
)
from integrations.spec import Grant
from tests.conftest import make_user

CANARY = "canary-refresh-token-7f3a"
OURS = [model for model in admin.site._registry if model._meta.app_label in {"accounts", "integrations", "coaching"}]


@pytest.fixture
def ops(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def connection(athlete: User, garmin_provider: Provider) -> Connection:
    made = Connection.objects.create(
        user=athlete, provider=garmin_provider, status=Connection.Status.ACTIVE, external_account_id="42"
    )
    grant = Grant({"access": CANARY, "refresh": CANARY}, timezone.now() + timedelta(days=1))
    credentials.store(made, grant, kind=Credential.Kind.SESSION)
    return made


@pytest.fixture
def stream(connection: Connection) -> SyncStream:
    return SyncStream.objects.create(connection=connection, resource="workouts")


@pytest.fixture
def job(stream: SyncStream) -> SyncJob:
    return SyncJob.objects.create(
        stream=stream, status=SyncJob.Status.RUNNING, lease_token="1" * 32, lease_until=timezone.now()
    )


def lists(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def run(client: Client, operation: str, *rows: Any, reason: str = "asked by the owner") -> Any:
    chosen = {"action": operation, "_selected_action": [row.pk for row in rows]}
    asked = client.post(lists(rows[0]), chosen)
    assert asked.status_code == 200, "a confirm page comes first"
    return client.post(lists(rows[0]), {**chosen, "confirmed": "1", "reason": reason}, follow=True)


def staff(*permissions: str) -> Client:
    user = make_user(f"staff{User.objects.count()}@example.org", "Stefan Staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


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


# Operations


def test_an_operation_wants_a_reason_and_leaves_an_entry(ops: Client, operator: User, connection: Connection) -> None:
    refused = run(ops, "pause", connection, reason="x")
    assert refused.status_code == 200
    assert "at least 5 characters" in refused.content.decode()
    connection.refresh_from_db()
    assert connection.status == Connection.Status.ACTIVE
    run(ops, "pause", connection, reason="Garmin asked us to")
    connection.refresh_from_db()
    assert connection.status == Connection.Status.PAUSED
    entry = AuditEntry.objects.get(action="connection.pause")
    assert (entry.actor, entry.data["reason"], entry.level) == (operator, "Garmin asked us to", "security")


def test_an_operation_is_safe_to_repeat(ops: Client, connection: Connection) -> None:
    for _ in range(2):
        run(ops, "disconnect", connection)
    connection.refresh_from_db()
    assert connection.status == Connection.Status.DISCONNECTED
    assert not Credential.objects.exists()
    assert AuditEntry.objects.filter(action="connection.disconnect").count() == 1
    assert "did not need it" in run(ops, "disconnect", connection).content.decode()


def test_looking_changes_nothing(ops: Client, connection: Connection) -> None:
    asked = {"action": "disconnect", "_selected_action": str(connection.pk), "confirmed": "1", "reason": "by a link"}
    ops.get(lists(connection), asked)
    connection.refresh_from_db()
    assert connection.status == Connection.Status.ACTIVE


def test_operations_need_the_forms_token(operator: User, connection: Connection) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    answer = client.post(lists(connection), {"action": "pause", "_selected_action": [connection.pk], "confirmed": "1",
                                             "reason": "from elsewhere"})  # fmt: skip
    assert answer.status_code == 403


def test_asking_for_a_new_login_stops_the_connection(ops: Client, connection: Connection) -> None:
    run(ops, "ask_for_login", connection)
    connection.refresh_from_db()
    assert (connection.status, connection.status_reason) == ("needs_reauth", "by_operations")
    assert DomainEvent.objects.filter(type="connection.needs_reauth").exists()


def test_runs_are_asked_for_cancelled_and_released(ops: Client, stream: SyncStream) -> None:
    run(ops, "run_now", stream)
    run(ops, "sync_now", stream.connection)
    job = SyncJob.objects.get()
    assert job.trigger == SyncJob.Trigger.MANUAL
    SyncJob.objects.update(status="running", lease_token="1" * 32, lease_until=timezone.now() - timedelta(minutes=5))
    run(ops, "release", job)
    job.refresh_from_db()
    assert (job.status, job.lease_token) == ("queued", None)
    run(ops, "cancel", job)
    job.refresh_from_db()
    assert job.status == "cancelled"


def test_a_held_deletion_is_approved(ops: Client, stream: SyncStream) -> None:
    SyncStream.objects.update(sweep_held_generation=3, sweep_held_n=25)
    run(ops, "approve_sweep", stream)
    stream.refresh_from_db()
    assert stream.sweep_approved_n == 25


def test_a_stream_is_stopped_and_started(ops: Client, stream: SyncStream) -> None:
    run(ops, "stop", stream)
    assert not SyncStream.objects.get().enabled
    run(ops, "start", stream)
    assert SyncStream.objects.get().enabled


def test_a_cool_down_is_lifted(ops: Client, garmin_provider: Provider) -> None:
    until = timezone.now() + timedelta(hours=8)
    cooldown = LoginCooldown.objects.create(provider=garmin_provider, account_key="k" * 64, until=until, blocks=3)
    run(ops, "lift", cooldown)
    cooldown.refresh_from_db()
    assert cooldown.until is not None
    assert cooldown.until <= timezone.now()
    assert cooldown.blocks == 3, "the next block waits longer all the same"


def test_people_are_deactivated_but_not_oneself_nor_a_superior(ops: Client, operator: User, athlete: User) -> None:
    run(ops, "deactivate", athlete, operator)
    athlete.refresh_from_db()
    operator.refresh_from_db()
    assert (athlete.is_active, operator.is_active) == (False, True)
    run(staff("view_user", "change_user"), "deactivate", operator)
    operator.refresh_from_db()
    assert operator.is_active
    run(ops, "activate", athlete)
    athlete.refresh_from_db()
    assert athlete.is_active


def test_only_a_superuser_makes_staff(athlete: User) -> None:
    promoter = staff("view_user", "change_user")
    assert promoter.post(page(athlete), {"is_staff": "on", "is_superuser": "on"}).status_code == 403
    athlete.refresh_from_db()
    assert not athlete.is_staff


# Providers


def provider_form(provider: Provider, **changes: Any) -> dict[str, Any]:
    return {
        "name": provider.name,
        "mode": provider.mode,
        "notice": "",
        "connect_enabled": "on",
        "sync_enabled": "on",
        "deliver_enabled": "on",
        "visible_to_coach": "on",
        "may_merge": "on",
        "base_urls": "{}",
        "limits": "{}",
        "scopes": "[]",
        "refresh_margin_s": "900",
        "reason": "trying it out",
        **changes,
    }


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254",
        "https://169.254.169.254/latest",
        "https://127.1",
        "https://2130706433",
        "https://0x7f.1",
        "https://evil@connectapi.garmin.com",
        "https://connectapi.garmin.com@evil.example",
        "https://connectapi.garmin.com.evil.example",
        "https://connectapi.garmin.com.",
        "https://evilconnectapi.garmin.com",
        "https://x.connectapi.garmin.com",
        "https://connectapi.garmin.com:22",
        "https://connectapi.garmin.com:0",
        "https://connectapi.garmin.com:99999",
        "https://connectapi.garmin.com?x=1",
        "https://connectapi.garmin.com#x",
        "https://connectapi.garmin.com/../x",
        "https://connectapi.garmin.com\\@evil.example",
        "https://connectapi.garmin.com%2eevil.example",
        "https://cοnnectapi.garmin.com",
        "https://CONNECTAPI.garmin.com\u3002evil.example",
        "http://connectapi.garmin.com",
        "http://127.0.0.1",
        "http://127.0.0.1:80",
        "http://[::1]:22",
        "file:///etc/passwd",
        "gopher://connectapi.garmin.com",
        "//connectapi.garmin.com",
        "connectapi.garmin.com",
        "https://",
        "https:// connectapi.garmin.com",
        "https://connectapi.garmin.com/" + "a" * 300,
        "",
        7,
        None,
        ["https://connectapi.garmin.com"],
    ],
)
def test_no_other_address_gets_in(ops: Client, garmin_provider: Provider, url: Any) -> None:
    answer = ops.post(page(garmin_provider), provider_form(garmin_provider, base_urls=json.dumps({"api": url})))
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors.keys() == {"base_urls"}
    garmin_provider.refresh_from_db()
    assert garmin_provider.base_urls == {}


@pytest.mark.parametrize(
    "url", ["https://connectapi.garmin.com", "https://sso.garmin.com:443/x", "http://127.0.0.1:8011/garmin/api"]
)
def test_a_new_address_is_kept_and_puts_the_provider_on_hold(ops: Client, garmin_provider: Provider, url: str) -> None:
    answer = ops.post(
        page(garmin_provider), provider_form(garmin_provider, base_urls=json.dumps({"api": url})), follow=True
    )
    garmin_provider.refresh_from_db()
    assert garmin_provider.base_urls == {"api": url}
    assert garmin_provider.mode == ProviderMode.HOLD
    assert "is on hold" in answer.content.decode()


def test_loopback_is_for_the_sandbox_only(ops: Client, garmin_provider: Provider, settings: Any) -> None:
    settings.SANDBOX_ENABLED = False
    urls = json.dumps({"api": "http://127.0.0.1:8011"})
    assert ops.post(page(garmin_provider), provider_form(garmin_provider, base_urls=urls)).status_code == 200
    garmin_provider.refresh_from_db()
    assert garmin_provider.base_urls == {}


@pytest.mark.parametrize("field", ["base_urls", "limits", "scopes"])
@pytest.mark.parametrize(
    "text",
    [
        "{", "nonsense", "7", '"x"', "[1]", '{"__proto__": {"capacity": 1, "per_s": 1}}', '{"api": {"api": {}}}',
        '{"account": {"capacity": 1}}', '{"account": {"capacity": 1, "per_s": NaN}}',
        '{"account": {"capacity": 1, "per_s": Infinity}}', '{"account": {"capacity": -1, "per_s": 1}}',
        '{"account": {"capacity": true, "per_s": 1}}', '{"account": {"capacity": "2", "per_s": 1}}',
        '{"account": {"capacity": 1, "per_s": 1, "x": 1}}', '{"account": 7}', "[" * 3000, '{"a":' * 700,
        '["' + "x" * 1_000_000 + '"]',
    ],
)  # fmt: skip
def test_wrong_json_is_a_form_error(ops: Client, garmin_provider: Provider, field: str, text: str) -> None:
    if len(text) > 500_000:
        text = text[:500_000]
    answer = ops.post(page(garmin_provider), provider_form(garmin_provider, **{field: text}))
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors.keys() == {field}


def test_good_limits_are_kept(ops: Client, garmin_provider: Provider, operator: User) -> None:
    limits = {"account": {"capacity": 4, "per_s": 0.5}}
    assert ops.post(page(garmin_provider), provider_form(garmin_provider, limits=json.dumps(limits))).status_code == 302
    garmin_provider.refresh_from_db()
    assert garmin_provider.limits == limits
    entry = AuditEntry.objects.get(action="provider.edited")
    assert (entry.actor, entry.data) == (operator, {"fields": ["limits"], "reason": "trying it out"})


def test_a_client_secret_goes_in_and_never_comes_out(ops: Client, garmin_provider: Provider) -> None:
    answer = ops.post(page(garmin_provider), provider_form(garmin_provider, new_client_secret=CANARY), follow=True)
    garmin_provider.refresh_from_db()
    assert vault.open_json(garmin_provider.client_secret, **secret_place(garmin_provider)) == {"client_secret": CANARY}
    pages = [answer, ops.get(page(garmin_provider)), ops.get(page(garmin_provider).replace("change", "history"))]
    for shown in pages:
        assert CANARY not in shown.content.decode()
        assert garmin_provider.client_secret not in shown.content.decode()
    assert f"set, fingerprint {vault.fingerprint(garmin_provider.client_secret)}" in pages[1].content.decode()
    assert CANARY not in str(list(AuditEntry.objects.values()))
    ops.post(page(garmin_provider), provider_form(garmin_provider))
    garmin_provider.refresh_from_db()
    assert garmin_provider.client_secret, "an empty field leaves it as it is"
    refused = ops.post(page(garmin_provider), provider_form(garmin_provider, new_client_secret=CANARY, name=""))
    assert CANARY not in refused.content.decode()
    ops.post(page(garmin_provider), provider_form(garmin_provider, forget_client_secret="on"))
    garmin_provider.refresh_from_db()
    assert garmin_provider.client_secret == ""


def test_addresses_and_secrets_need_a_permission_of_their_own(garmin_provider: Provider) -> None:
    editor = staff("view_provider", "change_provider")
    urls = json.dumps({"api": "http://127.0.0.1:8011"})
    form = provider_form(garmin_provider, base_urls=urls, new_client_secret=CANARY, client_id="x", name="Renamed")
    assert editor.post(page(garmin_provider), form).status_code == 302
    garmin_provider.refresh_from_db()
    assert (garmin_provider.name, garmin_provider.base_urls) == ("Renamed", {})
    assert (garmin_provider.client_secret, garmin_provider.client_id) == ("", "")
    keeper = staff("view_provider", "change_provider", "set_provider_secrets")
    keeper.post(page(garmin_provider), form)
    garmin_provider.refresh_from_db()
    assert (garmin_provider.base_urls, garmin_provider.client_id) == ({"api": "http://127.0.0.1:8011"}, "x")


def test_modes_are_switched_and_every_process_hears_of_it(ops: Client, garmin_provider: Provider) -> None:
    before = garmin_provider.updated_at
    run(ops, "hold", garmin_provider)
    garmin_provider.refresh_from_db()
    assert garmin_provider.mode == ProviderMode.HOLD
    assert garmin_provider.updated_at > before
    run(ops, "switch_off", garmin_provider)
    run(ops, "enable", garmin_provider)
    garmin_provider.refresh_from_db()
    assert garmin_provider.mode == ProviderMode.ENABLED


def test_a_renewal_is_asked_of_a_worker(ops: Client, connection: Connection) -> None:
    run(ops, "renew", Credential.objects.get())
    assert AuditEntry.objects.filter(action="credential.renew").exists()
