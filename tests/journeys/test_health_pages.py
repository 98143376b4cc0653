"""The live pages of providers and checks in a real browser: they read themselves again, and their report is copied."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import User
from integrations import gateways, tasks
from integrations.models import Connection, HealthReport
from integrations.sandbox import RunningSandbox, running
from integrations.services import self_testing
from tests.integrations.library import connect
from tests.journeys.conftest import Enter
from tests.journeys.served import as_person, shot, stack

__all__ = ["stack"]  # the fixture
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TAKEN = re.compile("Copied|to copy the marked text")  # by itself, or by hand where the browser forbids it
SCREENS = [(390, "light"), (390, "dark"), (1440, "light"), (1440, "dark")]


@pytest.fixture
def sandbox(garmin_provider: Any) -> Iterator[RunningSandbox]:
    with running() as sandbox:
        garmin_provider.base_urls = sandbox.base_urls("garmin")
        garmin_provider.save()
        yield sandbox


@pytest.fixture
def connection(sandbox: RunningSandbox, coach: User) -> Connection:
    found: Connection = connect(sandbox, coach).connection
    return found


@pytest.mark.parametrize(("width", "theme"), SCREENS)
def test_the_providers_page_follows_its_circuit(
    enter: Enter, operator: User, connection: Connection, width: int, theme: str
) -> None:
    visitor = enter(width=width, theme=theme)
    as_person(visitor, operator)
    provider = connection.provider
    report = self_testing.begin(provider)
    visitor.go(f"/admin/integrations/provider/{provider.pk}/change/")
    live = visitor.page.locator("#live")
    live.get_by_text("Calls go out.").first.wait_for()
    gateways.trip(provider, reason="they have an outage")
    live.get_by_text("Tripped by hand").wait_for()
    tasks.self_test(report.pk)
    visitor.page.get_by_text("The report as text").wait_for()
    visitor.page.get_by_text("The report as text").click()
    visitor.page.get_by_role("button", name="Copy").click()
    visitor.page.get_by_role("status").filter(has_text=TAKEN).wait_for()
    shot(visitor, "health-provider")
    visitor.go(f"/admin/integrations/healthreport/{report.pk}/change/")
    shot(visitor, "health-report")
    visitor.go("/admin/")
    shot(visitor, "health-home")


@pytest.mark.parametrize(("width", "theme"), SCREENS)
def test_the_owners_check_fills_by_itself(
    enter: Enter, coach: User, connection: Connection, width: int, theme: str
) -> None:
    visitor = enter(width=width, theme=theme)
    as_person(visitor, coach)
    visitor.go("/connections/")
    visitor.page.get_by_role("button", name="Check now").click()
    visitor.page.get_by_text("Waiting for a free worker").wait_for()
    tasks.self_test(HealthReport.objects.get().pk)
    visitor.page.get_by_text("Everything works").wait_for()
    visitor.page.get_by_text("Send this").click()
    visitor.page.get_by_role("button", name="Copy").click()
    visitor.page.get_by_role("status").filter(has_text=TAKEN).wait_for()
    shot(visitor, "health-check")
