"""A provider that comes to a name that is not ours: a plain 400, and a log line that says what to set."""

from typing import Any

import pytest
from django.test import Client
from structlog.testing import capture_logs

from config.checks import site_url_is_ours
from integrations.models import SyncStream
from tests.webhooks.wire import Sender, body_of
from webhooks.models import WebhookEvent


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/webhooks/strava/x/", "/connections/strava/callback/?state=x&code=y"])
def test_a_strange_host_is_told_no_more_than_that(client: Client, settings: Any, path: str) -> None:
    settings.SITE_URL = "https://coaching.example"
    with capture_logs() as logs:
        answer = client.get(path, headers={"host": "elsewhere.example"})
    assert (answer.status_code, answer.content) == (400, b"This host is not ours.")
    assert answer.headers["Content-Type"] == "text/plain"
    [line] = [each for each in logs if each["event"] == "strange_host"]
    assert (line["host"], line["site_url"]) == ("elsewhere.example", "https://coaching.example")
    assert "ALLOWED_HOSTS" in line["set"]
    assert "SITE_URL" in line["set"]


def test_what_is_signed_for_us_is_not_taken_under_a_strange_name(sender: Sender, stream: SyncStream) -> None:
    headers = sender.signed(body_of())
    assert sender.send(headers={**headers, "host": "elsewhere.example"}).status == 400
    assert not WebhookEvent.objects.exists()
    assert sender.send(headers=headers).status == 200


@pytest.mark.parametrize(
    ("site", "hosts", "fine"),
    [
        ("https://coaching.example", ["coaching.example"], True),
        ("https://coaching.example:8443", [".example"], True),
        ("https://www.coaching.example", ["coaching.example"], False),
        ("http://[::1]:8010", ["[::1]"], True),
        ("coaching.example", ["coaching.example"], False),
    ],
)
def test_a_site_url_that_is_not_ours_stops_the_start(settings: Any, site: str, hosts: list[str], fine: bool) -> None:
    settings.SITE_URL, settings.ALLOWED_HOSTS = site, hosts
    found = site_url_is_ours()
    assert [each.id for each in found] == ([] if fine else ["config.E004"])
