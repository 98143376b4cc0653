"""What operations steer with, and what people then see of it, in a real browser."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from coaching.models import CoachingLink
from integrations import control, health, publishing
from integrations.models import Connection, FeatureFlag, MaintenanceWindow, Provider, ProviderMode, SyncJob, SyncStream
from integrations.services.provisioning import sync_providers
from tests.coaching.world import accepted
from tests.journeys.conftest import Enter, Visitor
from tests.journeys.served import as_person, shot, stack

__all__ = ["stack"]  # the fixture
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SCREENS = [(390, "light"), (390, "dark"), (1440, "light"), (1440, "dark")]
HOUR = timedelta(hours=1)
SOON = timezone.now() + timedelta(days=2)


@pytest.fixture
def connected(link: CoachingLink, garmin_provider: Provider) -> Provider:
    now = timezone.now()
    for number, user in enumerate((link.athlete, link.coach)):
        Connection.objects.create(
            user=user, provider=garmin_provider, status="active", external_account_id=str(number), delivers=True,
            last_ok_at=now - 2 * HOUR,
        )  # fmt: skip
    return garmin_provider


def now_known() -> None:
    for memory in (control, health, publishing):
        memory.forget()


def see(visitor: Visitor, address: str, words: str, label: str) -> None:
    visitor.go(address)
    visitor.page.get_by_text(words).first.wait_for()
    shot(visitor, label)


@pytest.mark.parametrize(("width", "theme"), SCREENS)
def test_what_people_see_while_a_provider_is_on_hold(
    enter: Enter, link: CoachingLink, connected: Provider, width: int, theme: str
) -> None:
    delivery = accepted(link)
    Provider.objects.update(mode=ProviderMode.HOLD, notice="Garmin has an outage.")
    FeatureFlag.objects.filter(name="garmin-connect").update(percentage=0)
    MaintenanceWindow.objects.create(
        provider=connected, message="Garmin changes its disks.", announce_at=timezone.now() - HOUR,
        drain_at=SOON, starts_at=SOON, ends_at=SOON + HOUR,
    )  # fmt: skip
    now_known()
    athlete = as_person(enter(width=width, theme=theme), link.athlete)
    see(athlete, reverse("coaching:inbox"), "In the queue, place 1 of 1", "control-inbox")
    see(athlete, reverse("coaching:offer", args=[delivery.share.public_id]), "place 1 of 1", "control-offer")
    see(athlete, "/connections/", "Garmin Connect is paused", "control-connections")
    coach = as_person(enter(width=width, theme=theme), link.coach)
    see(coach, reverse("coaching:delivery", args=[delivery.share.public_id]), "place 1 of 1", "control-delivery")
    stream = SyncStream.objects.create(connection=link.coach.connections.get(), resource="workouts")
    SyncJob.objects.create(stream=stream, requested_by=link.coach)
    for label, address in (("library", reverse("coaching:library")), ("card", "/connections/")):
        see(coach, address, "In the queue, place 1 of 1.", f"control-sync-{label}")
    Provider.objects.update(mode=ProviderMode.ENABLED)
    now_known()
    see(athlete, reverse("coaching:inbox"), "maintenance is planned", "control-announced")
    Provider.objects.update(sync_enabled=False)
    now_known()
    see(enter(width=width, theme=theme), "/status/", "Maintenance from", "control-status")


@pytest.mark.parametrize(("width", "theme"), SCREENS)
def test_operations_plan_and_call_off_a_window(
    enter: Enter, operator: User, connected: Provider, width: int, theme: str
) -> None:
    sync_providers()
    visitor = enter(width=width, theme=theme)
    as_person(visitor, operator)
    page = visitor.page
    visitor.go(f"/admin/integrations/provider/{connected.pk}/change/")
    page.get_by_role("link", name="Plan maintenance").click()
    page.get_by_text("All times are in UTC.").wait_for()
    page.locator("#id_message").fill("Garmin changes its disks.")
    page.locator("#id_starts_at_0").fill(f"{SOON:%Y-%m-%d}")
    page.locator("#id_starts_at_1").fill("12:00:00")
    page.locator("#id_ends_at_0").fill(f"{SOON:%Y-%m-%d}")
    page.locator("#id_ends_at_1").fill("11:00:00")
    page.locator("#id_reason").fill("they told us by mail")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Choose an end after the start").wait_for()
    shot(visitor, "control-window-refused")
    page.locator("#id_ends_at_1").fill("13:00:00")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("was added successfully").wait_for()
    shot(visitor, "control-windows")
    planned = MaintenanceWindow.objects.get()
    visitor.go(f"/admin/integrations/provider/{connected.pk}/change/")
    page.locator("#live").get_by_text("Calls go out.").first.wait_for()
    shot(visitor, "control-provider")
    visitor.go(f"/admin/integrations/maintenancewindow/{planned.pk}/change/")
    shot(visitor, "control-window")
    page.get_by_role("button", name="Cancel").click()
    page.locator("#id_reason").fill("they moved it")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled").first.wait_for()
    flag = FeatureFlag.objects.get(name="garmin-sync")
    visitor.go(f"/admin/integrations/featureflag/{flag.pk}/change/")
    shot(visitor, "control-flag")
