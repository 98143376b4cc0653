"""The in-box for operations: look, replay, ignore, bury, rotate, and who may do which."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from accounts.staff import OPERATE, SECRETS, VIEW, sync_groups
from integrations.models import Provider, SyncStream
from tests.conftest import make_user
from tests.webhooks.wire import Sender, body_of, event
from webhooks import masking
from webhooks.models import WebhookEndpoint, WebhookEvent, WebhookSecret
from webhooks.services import processing

LIST = "admin:webhooks_webhookevent_changelist"
REPLAY = "admin:webhooks_webhookevent_replay"
WHY = "the fix is out"


@pytest.fixture
def dead(sender: Sender, stream: SyncStream) -> list[WebhookEvent]:
    """Three that could not be read, and one that was processed."""
    for _ in range(3):
        sender.send(b'{"events": [{}]}')
    sender.send(body_of(event(), email="ada@example.org"))
    processing.process_due()
    return list(WebhookEvent.objects.filter(status="dead"))


def run(client: Client, name: str, *rows: WebhookEvent | WebhookEndpoint | WebhookSecret) -> None:
    model = rows[0]._meta.model_name
    said = {"action": name, "_selected_action": [row.pk for row in rows], "confirmed": "1", "reason": WHY}
    answer = client.post(reverse(f"admin:webhooks_{model}_changelist"), said)
    assert answer.status_code == 302


def page(client: Client, name: str, *args: object) -> str:
    answer = client.get(reverse(name, args=args))
    assert answer.status_code == 200
    return answer.text


def person(*groups: str) -> Client:
    sync_groups()
    user = make_user(f"{len(groups)}@example.org", "Some Staff", is_staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.usefixtures("dead")
def test_the_home_tells_of_the_dead_by_cause_and_since_when(ops: Client) -> None:
    home = " ".join(page(ops, "admin:index").split())
    assert "3 webhooks could not be processed, the first one" in home
    assert "Sender: data" in home


def test_the_home_names_an_endpoint_that_can_prove_nothing(ops: Client, endpoint: WebhookEndpoint) -> None:
    assert "has no secret" in page(ops, "admin:index")


def test_a_replay_is_a_new_round_with_its_own_attempts(ops: Client, dead: list[WebhookEvent]) -> None:
    run(ops, "replay", *dead)
    for row in dead:
        row.refresh_from_db()
        assert (row.status, row.attempts, row.replays, row.finished_at) == ("received", 0, 1, None)
    processing.process_due()
    assert WebhookEvent.objects.filter(status="dead").count() == 3
    assert {made.replays for made in dead[0].attempts_made.all()} == {0, 1}
    entries = AuditEntry.objects.filter(action="webhookevent.replay")
    assert entries.count() == 3
    assert {entry.data["reason"] for entry in entries} == {WHY}


def test_what_is_ignored_or_buried_is_not_touched_again(ops: Client, dead: list[WebhookEvent], sender: Sender) -> None:
    sender.send()
    waiting = WebhookEvent.objects.get(status="received")
    run(ops, "bury", waiting, dead[0])
    run(ops, "ignore", dead[1])
    waiting.refresh_from_db()
    dead[1].refresh_from_db()
    assert (waiting.status, waiting.reason) == ("dead", "operator")
    assert (dead[1].status, dead[1].reason) == ("ignored", "operator")
    assert processing.process_due() == 0
    assert AuditEntry.objects.filter(action="webhookevent.bury").count() == 1, "the dead one was dead already"


def filled(provider: Provider, **more: object) -> dict[str, object]:
    since = timezone.now() - timedelta(hours=1)
    return {
        "provider": provider.pk, "statuses": ["dead"], "since": since.strftime("%Y-%m-%dT%H:%M"), "reason": WHY, **more
    }  # fmt: skip


def test_a_dry_run_says_what_would_change_and_changes_nothing(
    ops: Client, dead: list[WebhookEvent], provider: Provider
) -> None:
    answer = ops.post(reverse(REPLAY), filled(provider))
    assert "3 events would be processed anew" in answer.text
    assert WebhookEvent.objects.filter(status="dead", replays=0).count() == 3
    ops.post(reverse(REPLAY), filled(provider, confirmed="1"))
    assert WebhookEvent.objects.filter(status="received", replays=1).count() == 3
    assert WebhookEvent.objects.filter(status="processed", replays=0).count() == 1
    entry = AuditEntry.objects.get(action="webhookevent.replayed")
    assert (entry.data["events"], entry.data["reason"]) == (3, WHY)


def test_a_replay_keeps_to_its_range(ops: Client, dead: list[WebhookEvent], provider: Provider) -> None:
    WebhookEvent.objects.filter(pk=dead[0].pk).update(received_at=timezone.now() - timedelta(hours=2))
    ops.post(reverse(REPLAY), filled(provider, confirmed="1"))
    assert WebhookEvent.objects.filter(status="dead").count() == 1
    ops.post(reverse(REPLAY), filled(provider, confirmed="1", statuses=["processed"], event_type="nothing"))
    assert WebhookEvent.objects.filter(status="processed").count() == 1


def test_a_body_is_shown_masked_and_only_to_who_may_read_it(ops: Client, dead: list[WebhookEvent]) -> None:
    row = WebhookEvent.objects.get(status="processed")
    shown = page(ops, "admin:webhooks_webhookevent_change", row.pk)
    assert "workouts" in shown
    assert "ada@example.org" not in shown
    hidden = page(person(VIEW), "admin:webhooks_webhookevent_change", row.pk)
    assert "body, masked" not in hidden.lower()


@pytest.mark.parametrize(
    ("body", "canary"),
    [
        (b'{"userAccessToken": "canary"}', "canary"),
        (b'{"a": [{"api_key": "canary"}]}', "canary"),
        (b'{"callbackURL": "https://x.example/a?token=canary"}', "canary"),
        (b'{"note": "mail canary@example.org"}', "canary"),
        (b'{"startLatitude": 51.123456}', "51.123456"),
        (b'{"heartRates": [181, 182]}', "181"),
    ],
)
def test_masking_hides_what_is_secret_or_personal(body: bytes, canary: str) -> None:
    assert canary not in masking.pretty(body)
    assert "***" in masking.pretty(body)


def test_every_list_and_row_opens(ops: Client, dead: list[WebhookEvent], endpoint: WebhookEndpoint) -> None:
    rows = {"webhookevent": dead[0], "webhookendpoint": endpoint, "webhooksecret": WebhookSecret.objects.get()}
    for name, row in rows.items():
        page(ops, f"admin:webhooks_{name}_changelist")
        page(ops, f"admin:webhooks_{name}_change", row.pk)
    for query in ("status__exact=dead", "age=1h", "reason=data", "event_type=updated"):
        assert ops.get(f"{reverse(LIST)}?{query}").status_code == 200


def test_an_address_that_names_no_endpoint_is_none(ops: Client, endpoint: WebhookEndpoint) -> None:
    for odd in ("x", f"{endpoint.pk}/x", "99999", "_5"):
        assert ops.get(f"/admin/webhooks/webhookendpoint/{odd}/change/").status_code in (302, 404)


def test_an_endpoint_is_made_and_its_address_shown(ops: Client, provider: Provider) -> None:
    said = {
        "provider": provider.pk, "name": "new", "max_body_bytes": 1000000, "tolerance_s": 300, "registration": "{}",
        "reason": WHY,
    }  # fmt: skip
    assert ops.post(reverse("admin:webhooks_webhookendpoint_add"), said).status_code == 302
    made = WebhookEndpoint.objects.get(name="new")
    shown = page(ops, "admin:webhooks_webhookendpoint_change", made.pk)
    assert f"/webhooks/sender/{made.token}/" in shown
    assert "data-copy" in shown
    assert AuditEntry.objects.filter(action__startswith="webhookendpoint.", object_id=str(made.public_id)).exists()


def test_a_new_secret_is_shown_once(ops: Client, endpoint: WebhookEndpoint, sender: Sender) -> None:
    address = reverse("admin:webhooks_webhookendpoint_rotate", args=[endpoint.pk])
    answer = ops.post(address, {"reason": WHY})
    assert "no-store" in answer.headers["Cache-Control"]
    text = answer.text.partition('value="whsec_')[2].partition('"')[0]
    assert Sender(path=sender.path, secret=f"whsec_{text}").send().status == 200
    assert text not in ops.get(address).text
    assert text not in page(ops, "admin:webhooks_webhooksecret_change", WebhookSecret.objects.latest("pk").pk)
    assert not any(text in str(entry.data) for entry in AuditEntry.objects.all())
    refused = ops.post(address, {"reason": WHY})
    assert "Two secrets are good already" in refused.text


def test_a_secret_that_was_given_is_never_shown(ops: Client, endpoint: WebhookEndpoint) -> None:
    address = reverse("admin:webhooks_webhookendpoint_rotate", args=[endpoint.pk])
    answer = ops.post(address, {"reason": WHY, "given": "whsec_" + "QUFB" * 10})
    assert "QUFB" not in answer.text
    assert WebhookSecret.objects.count() == 1


def test_who_may_do_what(dead: list[WebhookEvent], endpoint: WebhookEndpoint) -> None:
    rotate = reverse("admin:webhooks_webhookendpoint_rotate", args=[endpoint.pk])
    add = reverse("admin:webhooks_webhookendpoint_add")
    for client, may_replay, may_rotate in (
        (person(VIEW), 403, 403),
        (person(VIEW, OPERATE), 200, 403),
        (person(VIEW, OPERATE, SECRETS), 200, 200),
    ):
        assert client.get(reverse(LIST)).status_code == 200
        assert client.get(reverse(REPLAY)).status_code == may_replay
        assert (client.get(rotate).status_code, client.get(add).status_code) == (may_rotate, may_rotate)


def test_a_secret_cannot_be_guessed_through_a_filter(ops: Client, secret: str) -> None:
    for query in ("sealed__startswith=cv1", "endpoint__token__startswith=a"):
        address = reverse("admin:webhooks_webhooksecret_changelist")
        assert ops.get(f"{address}?{query}").status_code in (302, 400)
