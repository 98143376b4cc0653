"""Operations' pages for maintenance windows and flags: who may, what the form refuses in words, what it tells."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, User
from accounts.staff import OPERATE, VIEW, sync_groups
from integrations import control, flags
from integrations.models import DomainEvent, FeatureFlag, MaintenanceWindow, Phase, Provider
from integrations.services.provisioning import sync_providers
from tests.conftest import make_user

pytestmark = pytest.mark.django_db(transaction=True)

TOKYO = ZoneInfo("Asia/Tokyo")
ADD = "admin:integrations_maintenancewindow_add"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def member(group: str) -> Client:
    sync_groups()
    user = make_user(f"{group[-7:]}@example.org", "Olga Operator", is_staff=True, time_zone="Asia/Tokyo")
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def ops(db: None) -> Client:
    return member(OPERATE)


@pytest.fixture
def start() -> datetime:
    """In three hours, to the minute."""
    return (timezone.now() + 3 * HOUR).replace(second=0, microsecond=0)


def filled(provider: Provider, **times: datetime | None) -> dict[str, Any]:
    """The form as the operator types it, in her zone."""
    words = {"message": "Garmin changes its disks.", "reason": "they told us by mail"}
    fields: dict[str, Any] = {"provider": provider.pk, **words}
    for name in ("announce_at", "drain_at", "starts_at", "ends_at"):
        at = times.get(name)
        fields[f"{name}_0"] = at.astimezone(TOKYO).strftime("%Y-%m-%d") if at else ""
        fields[f"{name}_1"] = at.astimezone(TOKYO).strftime("%H:%M:%S") if at else ""
    return fields


def plan(client: Client, provider: Provider, **times: datetime | None) -> Any:
    return client.post(reverse(ADD), filled(provider, **times))


def change(row: Any) -> str:
    return reverse(f"admin:integrations_{row._meta.model_name}_change", args=[row.pk])


def press(client: Client, operation: str, row: Any) -> str:
    where = reverse(f"admin:integrations_{row._meta.model_name}_changelist")
    chosen = {"action": operation, "_selected_action": [row.pk]}
    assert client.post(where, chosen).status_code == 200, "a confirm page comes first"
    answer = client.post(where, {**chosen, "confirmed": "1", "reason": "they moved it"}, follow=True)
    return str(answer.content.decode())


def window(provider: Provider, start: datetime, **fields: Any) -> MaintenanceWindow:
    times = {"announce_at": start - HOUR, "drain_at": start - 15 * MINUTE, "starts_at": start, "ends_at": start + HOUR}
    return MaintenanceWindow.objects.create(provider=provider, message="Disks.", **{**times, **fields})


def test_what_is_left_empty_is_announced_now_and_drains_a_quarter_of_an_hour_before(
    ops: Client, garmin_provider: Provider, start: datetime
) -> None:
    assert plan(ops, garmin_provider, starts_at=start, ends_at=start + HOUR).status_code == 302
    made = MaintenanceWindow.objects.get()
    assert (made.starts_at, made.ends_at, made.drain_at) == (start, start + HOUR, start - 15 * MINUTE)
    assert abs(made.announce_at - timezone.now()) < MINUTE
    assert (made.phase, made.created_by) == (Phase.ANNOUNCED, User.objects.get(is_staff=True))
    entry = AuditEntry.objects.get(action="maintenancewindow.added")
    assert (entry.actor, entry.data["reason"]) == (made.created_by, "they told us by mail")
    event = DomainEvent.objects.get(type="maintenance.planned")
    assert event.payload == {"provider": "garmin"}


def test_a_start_that_is_near_drains_at_once(ops: Client, garmin_provider: Provider) -> None:
    near = timezone.now() + 5 * MINUTE
    assert plan(ops, garmin_provider, starts_at=near, ends_at=near + HOUR).status_code == 302
    assert MaintenanceWindow.objects.get().phase == Phase.DRAIN
    assert control.refusal(garmin_provider, "sync") is not None, "this process knows it at once"


def test_the_form_names_the_operators_zone(ops: Client, garmin_provider: Provider, start: datetime) -> None:
    assert "All times are in Asia/Tokyo." in ops.get(reverse(ADD)).content.decode()
    page = ops.get(change(window(garmin_provider, start))).content.decode()
    assert start.astimezone(TOKYO).strftime("%H:%M:%S") in page
    assert "Times are in Asia/Tokyo" in ops.get(reverse("admin:integrations_maintenancewindow_changelist")).text


@pytest.mark.parametrize(
    ("field", "words", "shift"),
    [
        ("ends_at", "Choose an end after the start", {"ends_at": -MINUTE}),
        ("ends_at", "Choose an end after the start", {"ends_at": timedelta(0)}),
        ("drain_at", "Choose a time up to the start", {"ends_at": HOUR, "drain_at": MINUTE}),
        ("announce_at", "Choose a time up to the drain", {"ends_at": HOUR, "announce_at": -5 * MINUTE}),
        ("starts_at", "This is in the past", {"starts_at": -4 * HOUR, "ends_at": HOUR}),
        ("drain_at", "This is in the past", {"ends_at": HOUR, "drain_at": -4 * HOUR}),
    ],
)
def test_times_that_do_not_go_together_are_refused_in_words(
    ops: Client, garmin_provider: Provider, start: datetime, field: str, words: str, shift: dict[str, timedelta]
) -> None:
    times = {"starts_at": start} | {name: start + by for name, by in shift.items()}
    answer = plan(ops, garmin_provider, **times)
    assert answer.status_code == 200
    assert words in " ".join(answer.context["adminform"].form.errors[field])
    assert not MaintenanceWindow.objects.exists()
    assert not DomainEvent.objects.exists()


def test_two_windows_of_one_provider_do_not_overlap(ops: Client, garmin_provider: Provider, start: datetime) -> None:
    standing = window(garmin_provider, start)
    refused = plan(ops, garmin_provider, starts_at=start + HOUR, ends_at=start + 2 * HOUR)
    assert "has another maintenance then" in refused.text, "its drain reaches into the other"
    beside = {"starts_at": start + HOUR, "ends_at": start + 2 * HOUR, "drain_at": start + HOUR}
    assert plan(ops, garmin_provider, **beside).status_code == 302, "one may follow the other"
    MaintenanceWindow.objects.exclude(pk=standing.pk).delete()
    other = Provider.objects.create(slug="other", name="Other")
    assert plan(ops, other, starts_at=start, ends_at=start + HOUR).status_code == 302
    assert "did not need it" not in press(ops, "cancel", standing)
    assert plan(ops, garmin_provider, starts_at=start, ends_at=start + HOUR).status_code == 302


def test_a_window_is_moved_while_it_has_not_begun_only(ops: Client, garmin_provider: Provider, start: datetime) -> None:
    found = window(garmin_provider, start)
    moved = filled(garmin_provider, drain_at=start, starts_at=start + HOUR, ends_at=start + 2 * HOUR)
    assert ops.post(change(found), moved).status_code == 302
    found.refresh_from_db()
    assert (found.starts_at, found.drain_at) == (start + HOUR, start)
    assert AuditEntry.objects.get(action="maintenancewindow.edited").data["reason"]
    begun = window(Provider.objects.create(slug="other", name="Other"), timezone.now() + MINUTE)
    assert begun.phase == Phase.DRAIN
    assert ops.post(change(begun), moved).status_code == 403


def test_cancelled_before_its_start_and_ended_after_it(ops: Client, garmin_provider: Provider, start: datetime) -> None:
    planned, running = window(garmin_provider, start), window(garmin_provider, timezone.now() - MINUTE)
    assert control.refusal(garmin_provider, "deliver")
    assert "did not need it" in press(ops, "end_now", planned)
    assert "did not need it" in press(ops, "cancel", running)
    assert not DomainEvent.objects.exists()
    press(ops, "end_now", running)
    assert control.refusal(garmin_provider, "deliver") is None
    press(ops, "cancel", planned)
    planned.refresh_from_db()
    running.refresh_from_db()
    assert (planned.phase, running.phase) == (Phase.OVER, Phase.OVER)
    assert planned.cancelled_at
    told = DomainEvent.objects.filter(type="maintenance.cancelled").order_by("pk")
    assert [event.payload["begun"] for event in told] == [True, False]
    security = AuditEntry.objects.filter(level="security").exclude(action="user.logged_in")
    names = security.order_by("pk").values_list("action", flat=True)
    assert list(names) == ["maintenancewindow.end_now", "maintenancewindow.cancel"]


def test_who_only_looks_plans_nothing(garmin_provider: Provider, start: datetime) -> None:
    viewer, found = member(VIEW), window(garmin_provider, start)
    sync_providers()
    flag = FeatureFlag.objects.get(name="garmin-sync")
    for row in (found, flag):
        assert viewer.get(change(row)).status_code == 200
        assert viewer.post(change(row), {"reason": "because I can"}).status_code == 403
    assert plan(viewer, garmin_provider, starts_at=start + 5 * HOUR, ends_at=start + 6 * HOUR).status_code == 403
    assert MaintenanceWindow.objects.count() == 1


def test_a_flag_is_turned_with_a_reason_and_told(ops: Client, garmin_provider: Provider) -> None:
    sync_providers()
    flag = FeatureFlag.objects.get(name="garmin-sync")
    assert flags.is_on(flag.name, 7)
    typed = {"description": flag.description, "percentage": "0", "enabled": "on"}
    assert "This field is required" in ops.post(change(flag), typed).text
    assert ops.post(change(flag), typed | {"percentage": "101", "reason": "a typing error"}).status_code == 200
    assert ops.post(change(flag), typed | {"reason": "first look at it"}).status_code == 302
    assert not flags.is_on(flag.name, 7)
    payload = DomainEvent.objects.get(type="flag.changed").payload
    assert payload == {"flag": "garmin-sync", "enabled": True, "percentage": 0}
    entry = AuditEntry.objects.get(action="featureflag.edited")
    assert (entry.data["fields"], entry.data["reason"]) == (["percentage"], "first look at it")


def test_flags_are_neither_made_nor_deleted_by_hand(client: Client, operator: User) -> None:
    sync_providers()
    client.force_login(operator)
    flag = FeatureFlag.objects.get(name="garmin-sync")
    assert client.get(reverse("admin:integrations_featureflag_add")).status_code == 403
    assert client.post(reverse("admin:integrations_featureflag_delete", args=[flag.pk])).status_code == 403


def test_each_provider_has_its_flags_and_what_operations_set_stays(db: None) -> None:
    sync_providers()
    names = FeatureFlag.objects.filter(name__startswith="garmin-").values_list("name", "percentage", "enabled")
    assert list(names) == [(f"garmin-{name}", 100, True) for name in ("connect", "deliver", "sync")]
    FeatureFlag.objects.filter(name="garmin-sync").update(percentage=20, enabled=False)
    sync_providers()
    flag = FeatureFlag.objects.get(name="garmin-sync")
    assert (flag.percentage, flag.enabled) == (20, False)


def test_the_providers_page_leads_to_its_windows_and_flags(
    ops: Client, garmin_provider: Provider, start: datetime
) -> None:
    sync_providers()
    FeatureFlag.objects.filter(name="garmin-sync").update(percentage=20)
    found = window(garmin_provider, start)
    page = ops.get(change(garmin_provider)).content.decode()
    for row in (found, *FeatureFlag.objects.filter(name__startswith="garmin-")):
        assert f'href="{change(row)}"' in page
    assert "20 %" in page
    assert reverse(ADD) in page
