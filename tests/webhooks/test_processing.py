"""What stored events lead to, whatever order they come in, whoever dies, and whatever is wrong with them."""

from datetime import timedelta
from itertools import permutations

import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import AuditEntry
from integrations.models import Connection, MaintenanceWindow, Provider, ProviderMode, SyncJob, SyncStream
from integrations.services import concluding, scheduling
from tests.webhooks.wire import Sender, body_of, event
from webhooks.models import AppliedObject, WebhookAttempt, WebhookEndpoint, WebhookEvent, WebhookSecret
from webhooks.services import keeping, processing, securing

FAR = "2099-01-01T00:00Z"
LIFE = [event("created", at=100), event("updated", at=200), event("updated", at=300), event("deleted", at=400)]


def only() -> WebhookEvent:
    return WebhookEvent.objects.get()


def make_due() -> None:
    WebhookEvent.objects.update(next_attempt_at=Now())


def is_nudged(stream: SyncStream) -> bool:
    stream.refresh_from_db()
    return (stream.next_run_at - timezone.now()).total_seconds() < 16


def test_all_orders_of_a_life_end_alike(sender: Sender, stream: SyncStream) -> None:
    ends = set()
    for number, order in enumerate(permutations(LIFE)):
        SyncStream.objects.update(next_run_at=FAR)
        for each in order:
            sender.send(body_of({**each, "id": f"object {number}"}))
            processing.process_due()
        row = AppliedObject.objects.order_by("-pk").first()
        assert row is not None
        assert is_nudged(stream)
        ends.add((row.happened_at.timestamp(), row.is_deleted))
    assert ends == {(400.0, True)}
    assert AppliedObject.objects.count() == 24


def test_what_is_older_than_what_was_heard_is_ignored(sender: Sender, stream: SyncStream) -> None:
    sender.send(body_of(LIFE[3]))
    processing.process_due()
    SyncStream.objects.update(next_run_at=FAR)
    sender.send(body_of(LIFE[0]))
    processing.process_due()
    late = WebhookEvent.objects.order_by("pk").last()
    assert late is not None
    assert (late.status, late.reason) == ("ignored", "stale")
    assert not is_nudged(stream)


def test_two_changes_in_one_second_both_count_and_a_delete_beats_both(sender: Sender, stream: SyncStream) -> None:
    for kind in ("updated", "updated", "deleted", "updated"):
        sender.send(body_of(event(kind, at=500)))
        processing.process_due()
    assert list(WebhookEvent.objects.order_by("pk").values_list("reason", flat=True)) == ["", "", "", "stale"]
    assert AppliedObject.objects.get().is_deleted


def test_created_anew_after_its_end_it_lives_again(sender: Sender, stream: SyncStream) -> None:
    for kind, at in (("deleted", 400), ("created", 500)):
        sender.send(body_of(event(kind, at=at)))
        processing.process_due()
    assert not AppliedObject.objects.get().is_deleted


def test_ten_pings_are_one_run(sender: Sender, stream: SyncStream) -> None:
    sender.send()
    processing.process_due()
    stream.refresh_from_db()
    first = stream.next_run_at
    for _ in range(9):
        sender.send()
    processing.process_due()
    stream.refresh_from_db()
    assert stream.next_run_at == first


def test_a_hint_that_comes_during_a_run_has_the_stream_run_once_more(sender: Sender, stream: SyncStream) -> None:
    job = SyncJob.objects.claim(scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL).pk)
    assert job is not None
    job.write(started_at=Now())
    sender.send()
    processing.process_due()
    concluding.give_up(job, stream, code="data", words="unreadable")
    assert is_nudged(stream)


def test_a_body_about_many_reaches_each_of_them(sender: Sender, stream: SyncStream, provider: Provider) -> None:
    sender.send(body_of(event(), event("kudos"), event(number="o2")))
    processing.process_due()
    assert (only().status, only().event_type, only().connection_id) == ("processed", "several", stream.connection_id)
    assert is_nudged(stream)


def test_an_unknown_account_is_waited_for_and_then_ignored(sender: Sender, stream: SyncStream) -> None:
    sender.send(body_of(event(account="nobody", at=1)))
    processing.process_due()
    assert (only().status, only().error_code) == ("received", "unknown_account")
    assert only().next_attempt_at > timezone.now()
    WebhookEvent.objects.update(received_at=F("received_at") - timedelta(hours=1), next_attempt_at=Now())
    processing.process_due()
    assert (only().status, only().reason) == ("ignored", "unknown_account")


def test_an_account_that_connects_within_the_hour_gets_its_event(sender: Sender, stream: SyncStream) -> None:
    Connection.objects.update(external_account_id="other")
    sender.send()
    processing.process_due()
    Connection.objects.update(external_account_id="a1")
    make_due()
    processing.process_due()
    assert only().status == "processed"
    assert is_nudged(stream)


@pytest.mark.parametrize("kind", ["deauthorized", "permissions"])
def test_hearsay_disconnects_nobody(sender: Sender, account: Connection, kind: str) -> None:
    sender.send(body_of(event(kind, number="")))
    processing.process_due()
    account.refresh_from_db()
    assert account.status == "active"
    assert account.doubted_at is not None, "a worker has to ask the provider"
    assert AuditEntry.objects.filter(action="connection.doubted", object_id=str(account.public_id)).count() == 1


def test_a_genuine_body_of_a_strange_shape_is_kept_and_dies_at_once(sender: Sender, stream: SyncStream) -> None:
    assert sender.send(b'{"events": [{"kind": 1}]}').status == 200
    processing.process_due()
    assert (only().status, only().reason, only().attempts) == ("dead", "data", 1)
    attempt = WebhookAttempt.objects.get()
    assert (attempt.outcome, attempt.error_code, attempt.number) == ("dead", "data", 1)


def test_a_failure_is_tried_again_on_the_schedule_and_undone_each_time(
    sender: Sender, stream: SyncStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender.send()
    later = []
    with monkeypatch.context() as patch:
        patch.setattr(processing, "_promote", lambda _: 1 / 0)  # after the effects, before the end
        for _ in range(processing.MOST_ATTEMPTS):
            make_due()
            before = timezone.now()
            processing.process_due()
            later.append((only().next_attempt_at - before).total_seconds())
    assert (only().status, only().reason) == ("dead", "ZeroDivisionError")
    assert not is_nudged(stream), "effects and end are one transaction"
    wanted = [5, 300, 1800, 7200, 18000, 36000, 36000]
    assert all(0.75 * want < got < 1.25 * want for want, got in zip(wanted, later[:-1], strict=True))
    assert WebhookAttempt.objects.count() == 8


def test_a_worker_that_dies_three_times_over_an_event_takes_no_neighbour_along(
    sender: Sender, stream: SyncStream
) -> None:
    for number in range(3):
        sender.send(body_of(event(number=f"o{number}")))
    poison = WebhookEvent.objects.order_by("pk")[1].pk
    for _ in range(6):
        for held in processing._claim():
            if held.pk == poison:
                break  # the worker is gone: it and those behind it were never worked on
            processing._work(held)
        WebhookEvent.objects.filter(status="processing").update(lease_until=Now() - timedelta(seconds=1))
        processing.reap()
        make_due()
    found = dict(WebhookEvent.objects.values_list("pk", "status"))
    assert found.pop(poison) == "dead"
    assert set(found.values()) == {"processed"}
    assert WebhookEvent.objects.get(pk=poison).reason == "crash_loop"


def test_a_worker_that_lost_its_lease_changes_nothing(sender: Sender, stream: SyncStream) -> None:
    sender.send()
    [held] = processing._claim()
    WebhookEvent.objects.update(lease_until=Now() - timedelta(seconds=1))
    processing.reap()
    processing._work(held)
    assert not is_nudged(stream)
    assert only().status == "received"


@pytest.mark.parametrize("asleep", ["hold", "maintenance"])
def test_what_comes_in_while_the_provider_rests_is_stored_and_held(
    sender: Sender, stream: SyncStream, provider: Provider, asleep: str
) -> None:
    if asleep == "hold":
        Provider.objects.filter(pk=provider.pk).update(mode=ProviderMode.HOLD)
    else:
        now, hour = timezone.now(), timedelta(hours=1)
        MaintenanceWindow.objects.create(
            provider=provider, announce_at=now - hour, drain_at=now - hour, starts_at=now - hour, ends_at=now + hour,
            message="Back soon.",
        )  # fmt: skip
    assert sender.send().said["status"] == "accepted"
    assert processing.process_due() == 0
    Provider.objects.update(mode=ProviderMode.ENABLED)
    MaintenanceWindow.objects.update(cancelled_at=Now())
    assert processing.process_due() == 1


def test_a_strict_endpoint_works_on_one_object_in_the_order_it_came(
    sender: Sender, stream: SyncStream, endpoint: WebhookEndpoint
) -> None:
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(strict_order=True)
    for number, kind in (("o1", "created"), ("o1", "updated"), ("o2", "created")):
        sender.send(body_of(event(kind, number=number)))
    WebhookEvent.objects.filter(event_type="created").first()
    assert [held.pk for held in processing._claim()] == [
        row.pk for row in WebhookEvent.objects.order_by("pk") if row.ordering_key != "" and row.pk != _second()
    ]


def _second() -> int:
    return WebhookEvent.objects.order_by("pk")[1].pk


def test_what_waited_for_three_days_is_not_acted_on_by_itself(sender: Sender, stream: SyncStream) -> None:
    sender.send()
    WebhookEvent.objects.update(received_at=F("received_at") - timedelta(days=3))
    processing.process_due()
    assert (only().status, only().reason) == ("dead", "stale")


def test_bodies_go_after_30_days_and_rows_after_90(sender: Sender, stream: SyncStream) -> None:
    for _ in range(2):
        sender.send()
    sender.send(b'{"events": [{}]}')
    processing.process_due()
    assert sorted(WebhookEvent.objects.values_list("status", flat=True)) == ["dead", "processed", "processed"]
    for days, bodies, rows in ((29, 3, 3), (2, 1, 3), (60, 0, 1), (100, 0, 0)):
        WebhookEvent.objects.update(received_at=F("received_at") - timedelta(days=days))
        keeping.tidy()
        assert (WebhookEvent.objects.exclude(body=None).count(), WebhookEvent.objects.count()) == (bodies, rows)


def test_a_new_secret_counts_at_once_and_the_old_one_for_another_day(sender: Sender, endpoint: WebhookEndpoint) -> None:
    fresh = securing.rotate(endpoint)
    from_now_on = Sender(path=sender.path, secret=fresh)
    assert [each.send().status for each in (sender, from_now_on)] == [200, 200]
    new, old = WebhookSecret.objects.order_by("-pk")
    assert (new.state, old.state) == ("new", "retiring")
    assert old.not_after is not None
    assert timedelta(hours=23) < old.not_after - timezone.now() < timedelta(hours=25)
    WebhookSecret.objects.filter(pk=old.pk).update(not_after=Now() - timedelta(seconds=1))
    keeping.tidy()
    old.refresh_from_db()
    assert (old.state, old.sealed) == ("ended", "")


def test_the_first_event_signed_with_the_new_secret_makes_it_the_one_in_use(
    sender: Sender, endpoint: WebhookEndpoint, stream: SyncStream
) -> None:
    secret = WebhookSecret.objects.get()
    assert secret.state == "new"
    sender.send()
    processing.process_due()
    secret.refresh_from_db()
    assert secret.state == "active"


def test_at_most_two_secrets_are_good(endpoint: WebhookEndpoint, secret: str) -> None:
    securing.rotate(endpoint)
    with pytest.raises(securing.SecretRefused):
        securing.rotate(endpoint)
    securing.end(endpoint.secrets.get(state="retiring"))
    securing.rotate(endpoint)
    assert endpoint.secrets.live().count() == 2


def test_a_secret_that_has_ended_proves_nothing(sender: Sender, endpoint: WebhookEndpoint) -> None:
    securing.rotate(endpoint)
    securing.end(endpoint.secrets.get(state="retiring"))
    answer = sender.send()
    assert (answer.status, answer.body) == (401, b'{"error":"unauthorized"}')
