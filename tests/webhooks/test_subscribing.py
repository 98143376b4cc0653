"""Strava's subscription from the admin: made with a handshake, found again, ended; and the signature it may bring."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from accounts.models import AuditEntry
from accounts.staff import OPERATE, SECRETS, VIEW
from config.demo import seeding
from integrations.models import Connection, Provider
from integrations.providers.strava.sandbox.strava import StravaSandbox
from integrations.sandbox import RunningSandbox
from tests.conftest import make_user
from tests.sandboxes import box_of
from tests.webhooks.test_admin import person
from webhooks import endpoints
from webhooks.models import WebhookEndpoint, WebhookEvent
from webhooks.services import securing, subscribing

WHY = "the app is new"
SECRET = "sandbox-strava-client"  # what the sandbox's application has


@pytest.fixture
def site(transactional_db: None, sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    endpoints.forget()
    yield sandbox
    endpoints.forget()


@pytest.fixture
def strava(site: RunningSandbox) -> Provider:
    Provider.objects.get_or_create(slug="strava", defaults={"name": "Strava"})
    seeding.point_at_sandbox("strava", site.url)
    return Provider.objects.get(slug="strava")


@pytest.fixture
def endpoint(strava: Provider, live_server: LiveServer, settings: Any) -> WebhookEndpoint:
    settings.SITE_URL = live_server.url
    return WebhookEndpoint.objects.create(provider=strava, name="activities")


@pytest.fixture
def box(site: RunningSandbox) -> StravaSandbox:
    return box_of(site, StravaSandbox)


def address(endpoint: WebhookEndpoint) -> str:
    return reverse("admin:webhooks_webhookendpoint_subscription", args=[endpoint.pk])


def do(client: Client, endpoint: WebhookEndpoint, what: str, **more: Any) -> str:
    answer = client.post(address(endpoint), {"what": what, "reason": WHY, **more})
    assert answer.status_code == 200
    return answer.text


def noted(endpoint: WebhookEndpoint) -> Any:
    endpoint.refresh_from_db()
    return endpoint.registration.get(subscribing.NUMBER)


def test_a_subscription_is_made_shown_and_ended(ops: Client, endpoint: WebhookEndpoint, box: StravaSandbox) -> None:
    assert "There is no subscription" in ops.get(address(endpoint)).text
    told = do(ops, endpoint, "subscribe")
    [(number, row)] = box.state.subscriptions.items()
    assert row["callback_url"] == subscribing.address_of(endpoint)
    assert noted(endpoint) == int(number)
    assert f"The subscription has the number {number}." in told
    assert f"Subscription {number} sends to this endpoint." in told
    assert endpoint.secrets.live().count() == 1, "a token for the handshake was made"
    told = do(ops, endpoint, "unsubscribe", number=number)
    assert "There is no subscription" in told
    assert (box.state.subscriptions, noted(endpoint)) == ({}, None)
    actions = AuditEntry.objects.filter(action__contains="subscription_", level="security").order_by("pk")
    assert [(each.action, each.data["reason"], each.data["subscription"]) for each in actions] == [
        ("webhookendpoint.subscription_subscribed", WHY, int(number)),
        ("webhookendpoint.subscription_unsubscribed", WHY, int(number)),
    ]


def test_the_endpoints_own_secret_shakes_hands(ops: Client, endpoint: WebhookEndpoint, box: StravaSandbox) -> None:
    securing.rotate(endpoint, "a-token-that-we-chose")
    do(ops, endpoint, "subscribe")
    assert noted(endpoint)
    assert endpoint.secrets.count() == 1


def test_one_whose_number_got_lost_is_found_again(ops: Client, endpoint: WebhookEndpoint, box: StravaSandbox) -> None:
    do(ops, endpoint, "subscribe")
    [number] = box.state.subscriptions
    WebhookEndpoint.objects.update(registration={"kept": 1})
    assert "Its number is not noted here" in ops.get(address(endpoint)).text
    do(ops, endpoint, "subscribe")
    endpoint.refresh_from_db()
    assert endpoint.registration == {"kept": 1, "subscription_id": int(number)}
    assert len(box.state.subscriptions) == 1


def test_the_end_of_another_one_leaves_ours_noted(ops: Client, endpoint: WebhookEndpoint, box: StravaSandbox) -> None:
    do(ops, endpoint, "subscribe")
    ours = noted(endpoint)
    box.state.subscriptions["7"] = {"callback_url": "http://127.0.0.1/elsewhere"}
    do(ops, endpoint, "unsubscribe", number=7)
    assert "7" not in box.state.subscriptions
    assert noted(endpoint) == ours is not None


def test_a_sites_address_may_end_in_a_slash(endpoint: WebhookEndpoint, settings: Any) -> None:
    usual = subscribing.address_of(endpoint)
    settings.SITE_URL += "/"
    assert subscribing.address_of(endpoint) == usual


def test_one_that_leads_elsewhere_is_not_taken_for_ours(
    ops: Client, endpoint: WebhookEndpoint, box: StravaSandbox
) -> None:
    box.state.subscriptions["7"] = {"callback_url": "http://127.0.0.1/secret-path"}
    told = do(ops, endpoint, "subscribe")
    assert "Subscription 7 leads to another address, 127.0.0.1. End it first." in told
    assert "secret-path" not in told
    assert noted(endpoint) is None
    do(ops, endpoint, "unsubscribe", number=7)
    do(ops, endpoint, "subscribe")
    assert noted(endpoint)


def test_an_address_that_does_not_answer_is_not_taken(
    ops: Client, endpoint: WebhookEndpoint, box: StravaSandbox
) -> None:
    WebhookEndpoint.objects.update(is_active=False)
    assert "did not take the address" in do(ops, endpoint, "subscribe")
    assert (box.state.subscriptions, noted(endpoint)) == ({}, None)


def test_a_provider_that_is_away_is_said_to_be(
    ops: Client, endpoint: WebhookEndpoint, strava: Provider, nowhere: str
) -> None:
    Provider.objects.filter(pk=strava.pk).update(base_urls=dict.fromkeys(strava.base_urls, nowhere))
    for told in (ops.get(address(endpoint)).text, do(ops, endpoint, "subscribe")):
        assert "It could not be asked. The provider could not be reached." in told


def test_only_who_sets_secrets_may_and_where_there_is_one(endpoint: WebhookEndpoint, ops: Client) -> None:
    for groups, status in (((VIEW,), 403), ((VIEW, OPERATE), 403), ((VIEW, OPERATE, SECRETS), 200)):
        staff = person(*groups)
        assert staff.get(address(endpoint)).status_code == status
        assert staff.post(address(endpoint), {"what": "subscribe"}).status_code == status
    assert noted(endpoint) is None, "a reason is missing"
    garmin, _ = Provider.objects.get_or_create(slug="garmin", defaults={"name": "Garmin"})
    other = WebhookEndpoint.objects.create(provider=garmin, name="none")
    assert ops.get(address(other)).status_code == 404


# X-Strava-Signature


def told_of(number: int = 77) -> bytes:
    return json.dumps(
        {
            "object_type": "activity", "object_id": 15, "aspect_type": "create", "updates": {}, "owner_id": 7_300_001,
            "subscription_id": number, "event_time": int(time.time()),
        }
    ).encode()  # fmt: skip


def signature(body: bytes, *, at: int | None = None, secret: str = SECRET) -> str:
    stamp = str(int(time.time()) if at is None else at)
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


def post(endpoint: WebhookEndpoint, body: bytes, header: str | None) -> tuple[int, bytes]:
    headers = {} if header is None else {"X-Strava-Signature": header}
    path = urlsplit(subscribing.address_of(endpoint)).path
    answer = Client().post(path, body, content_type="application/json", headers=headers)
    return answer.status_code, answer.content


def test_it_counts_at_once_whatever_was_remembered_of_the_endpoint(
    ops: Client, endpoint: WebhookEndpoint, box: StravaSandbox
) -> None:
    assert post(endpoint, told_of(), None)[0] == 401, "from now on the endpoint is remembered without secret and number"
    do(ops, endpoint, "subscribe")
    assert post(endpoint, told_of(noted(endpoint)), None)[0] == 200
    do(ops, endpoint, "unsubscribe", number=noted(endpoint))
    assert post(endpoint, told_of(), None)[0] == 401


@pytest.fixture
def demanding(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    WebhookEndpoint.objects.update(must_be_signed=True, registration={"subscription_id": 77})
    user = make_user("ada@example.org", "Ada")
    Connection.objects.create(
        user=user, provider=endpoint.provider, status="active", external_account_id="7300001", external_name="Ada"
    )
    return endpoint


def test_a_demanded_signature_is_verified(demanding: WebhookEndpoint) -> None:
    body = told_of()
    assert post(demanding, body, signature(body))[0] == 200
    assert WebhookEvent.objects.count() == 1


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        signature(b"another body"),
        signature(told_of(), secret="not-our-secret"),
        "t=1,v1=" + "0" * 64,
        "v1=" + "0" * 64,
    ],
    ids=["none", "empty", "of another body", "with another secret", "of long ago", "without its time"],
)
def test_without_it_the_answer_is_that_of_every_bad_signature(demanding: WebhookEndpoint, header: str | None) -> None:
    assert post(demanding, told_of(), header) == (401, b'{"error":"unauthorized"}')
    assert not WebhookEvent.objects.exists()


@pytest.mark.parametrize(("late", "status"), [(0, 200), (295, 200), (-295, 200), (305, 401), (-305, 401)])
def test_the_clocks_may_differ_by_five_minutes_either_way(demanding: WebhookEndpoint, late: int, status: int) -> None:
    body = told_of()
    assert post(demanding, body, signature(body, at=int(time.time()) - late))[0] == status


def test_a_signature_does_not_make_up_for_a_strange_subscription(demanding: WebhookEndpoint) -> None:
    body = told_of(number=78)
    assert post(demanding, body, signature(body))[0] == 401


def test_where_none_is_demanded_none_is_looked_at(demanding: WebhookEndpoint) -> None:
    WebhookEndpoint.objects.update(must_be_signed=False)
    assert post(demanding, told_of(), "nonsense")[0] == 200


def test_without_our_client_secret_nothing_can_be_proven(demanding: WebhookEndpoint) -> None:
    Provider.objects.filter(slug="strava").update(client_secret="")
    body = told_of()
    assert post(demanding, body, signature(body, secret=""))[0] == 503
    assert not WebhookEvent.objects.exists()


def test_a_signature_is_demanded_only_of_who_may_sign(ops: Client, endpoint: WebhookEndpoint) -> None:
    page = reverse("admin:webhooks_webhookendpoint_change", args=[endpoint.pk])
    said = {
        "name": "activities", "max_body_bytes": 20_000, "tolerance_s": 300, "registration": "{}", "reason": WHY,
        "must_be_signed": "on",
    }  # fmt: skip
    assert ops.post(page, said).status_code == 302
    endpoint.refresh_from_db()
    assert endpoint.must_be_signed
    garmin, _ = Provider.objects.get_or_create(slug="garmin", defaults={"name": "Garmin"})
    WebhookEndpoint.objects.update(provider=garmin, must_be_signed=False)
    assert "does not sign with our client secret" in ops.post(page, said).text
