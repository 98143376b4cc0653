"""The outbox for operations: alarms, dead letters, replays one by one and by the thousand, and what is deleted when."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, User
from coaching.models import Channel, Notification
from integrations import events, tasks
from integrations.models import Connection, DomainEvent, Provider, Tick
from integrations.services import replaying
from tests.integrations.admin_pages import lists, page, provider_form, run, staff
from tests.integrations.broker import taken

pytestmark = pytest.mark.django_db

Status = DomainEvent.Status
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ALL = DomainEvent.objects


def event(
    status: str = Status.PENDING, kind: str = "link.started", *, age: timedelta = timedelta(0), **fields: Any
) -> DomainEvent:
    done_at = timezone.now() - age if status in DomainEvent.OVER else None
    subject = {"source": "coaching", "subject_type": "coaching.coachinglink", "subject_id": "7"}
    made = ALL.create(type=kind, status=status, done_at=done_at, **subject, **fields)
    ALL.filter(pk=made.pk).update(created_at=Now() - age)
    made.refresh_from_db()
    return made


def bury(number: int, kind: str = "link.started") -> None:
    fields = {"type": kind, "source": "coaching", "subject_type": "coaching.coachinglink", "status": Status.DEAD}
    ALL.bulk_create([DomainEvent(**fields, subject_id=str(each), attempts=20, crashes=3) for each in range(number)])


def status_of(row: DomainEvent) -> str:
    row.refresh_from_db()
    return row.status


def home(client: Client) -> str:
    return " ".join(client.get(reverse("admin:index")).content.decode().split())  # hard spaces become plain ones


# Alarms


def test_the_home_is_calm_while_events_are_handed_on(ops: Client) -> None:
    assert "Every event was handed on." in home(ops)
    event(age=timedelta(minutes=4))
    event(Status.DONE, age=HOUR)
    event(Status.DROPPED, age=HOUR)
    assert "1 event on the way, none late." in home(ops)


def test_the_home_says_when_the_oldest_event_has_waited_too_long(ops: Client) -> None:
    event(age=timedelta(minutes=6))
    html = home(ops)
    assert "The oldest event has waited for 6 minutes" in html
    assert f'href="{lists(DomainEvent)}?status__exact=pending&amp;age=5m"' in html


def test_the_home_names_what_is_dead_and_leads_there(ops: Client) -> None:
    bury(2)
    bury(3, "share.accepted")
    html = home(ops)
    assert "5 events could not be handed on." in html
    for kind, number in [("share.accepted", 3), ("link.started", 2)]:
        target = f"{lists(DomainEvent)}?status__exact=dead&amp;type={kind}"
        assert f'<a href="{target}">{kind}</a>: {number}' in html
    answer = ops.get(lists(DomainEvent), {"status__exact": "dead", "type": "share.accepted"})
    assert answer.context["cl"].result_count == 3


# Lists and pages


def test_the_list_is_narrowed_by_age(ops: Client) -> None:
    for age in (timedelta(minutes=1), timedelta(minutes=10), 2 * HOUR, 2 * DAY):
        event(age=age)
    for chosen, found in [("5m", 3), ("1h", 2), ("1d", 1), ("30d", 0), ("nonsense", 4)]:
        assert ops.get(lists(DomainEvent), {"age": chosen}).context["cl"].result_count == found


def test_the_page_shows_the_event_whole_and_lets_nobody_write(ops: Client) -> None:
    row = event(payload={"by": 4711}, trace_id="ab" * 16)
    html = ops.get(page(row)).content.decode()
    told = html.split('<pre class="body">')[1].split("</pre>")[0].replace("&quot;", '"')
    assert json.loads(told) == row.as_dict()
    assert (row.as_dict()["correlation_id"], row.as_dict()["payload"]) == ("ab" * 16, {"by": 4711})
    assert "An athlete trains with a coach." in html
    assert ops.post(page(row), {"status": "done", "payload": "{}"}).status_code == 403
    assert "Nobody publishes this type" in ops.get(page(event(kind="of.old"))).content.decode()


def test_what_is_in_a_payload_is_text_on_the_page(ops: Client) -> None:
    row = event(payload={"x": "</pre><script>alert(1)</script>"})
    assert "<script>alert(1)" not in ops.get(page(row)).content.decode()


# Replays


@pytest.mark.parametrize(
    ("operation", "moves"),
    [
        ("replay", {Status.DEAD}),
        ("replay_over", {Status.DONE, Status.DROPPED}),
        ("drop", {Status.DEAD, Status.PENDING}),
    ],
)
def test_each_operation_moves_what_it_is_for_and_nothing_else(ops: Client, operation: str, moves: set[str]) -> None:
    lease: dict[str, Any] = {"lease_token": uuid4(), "lease_until": timezone.now() + HOUR}
    rows = {status: event(status, **(lease if status == Status.WORKING else {})) for status in Status}
    run(ops, operation, *rows.values())
    target = Status.DROPPED if operation == "drop" else Status.PENDING
    for status, row in rows.items():
        assert status_of(row) == (target if status in moves else status)
        assert row.replays == (operation != "drop" and status in moves)
    entries = AuditEntry.objects.filter(action=f"domainevent.{operation}")
    assert {entry.data["reason"] for entry in entries} == {"asked by the owner"}
    assert entries.count() == len(moves)


def test_only_the_replay_of_what_is_over_is_marked_as_dangerous(ops: Client) -> None:
    row = event(Status.DONE)
    for operation, dangerous in [("replay", False), ("replay_over", True)]:
        html = ops.post(lists(row), {"action": operation, "_selected_action": [row.pk]}).content.decode()
        assert ('class="danger"' in html) is dangerous


def test_nothing_is_replayed_without_a_reason_or_without_the_right(ops: Client) -> None:
    row = event(Status.DEAD)
    chosen = {"action": "replay", "_selected_action": [row.pk], "confirmed": "1"}
    ops.post(lists(row), {**chosen, "reason": ""})
    looker = staff("view_domainevent")
    looker.post(lists(row), {**chosen, "reason": "just looking"})
    assert status_of(row) == Status.DEAD


def test_a_replayed_event_has_all_its_attempts_again_and_is_handed_on_at_once(coach: User, athlete: User) -> None:
    row = event(Status.DEAD, kind="workout.shared", attempts=20, crashes=4, next_attempt_at=timezone.now() + DAY)
    assert replaying.replay(row)
    assert not replaying.replay(row), "it is dead no more"
    row.refresh_from_db()
    assert (row.attempts, row.crashes, row.replays) == (0, 0, 1)
    assert events.dispatch_due() == 1
    assert status_of(row) == Status.DONE


def test_five_thousand_dead_events_are_replayed_in_one_statement(
    ops: Client, django_assert_max_num_queries: Callable[[int], AbstractContextManager[Any]]
) -> None:
    bury(5_000)
    other = event(Status.DEAD, kind="share.accepted")
    first = ALL.filter(type="link.started")[:1].get()
    chosen = {"action": "replay_type", "_selected_action": [first.pk]}
    assert "That is 5,000 dead of type link.started." in ops.post(lists(first), chosen).content.decode()
    with django_assert_max_num_queries(30):
        answer = ops.post(lists(first), {**chosen, "confirmed": "1", "reason": "the mail server is back"})
    queued = ALL.filter(status=Status.PENDING, replays=1, attempts=0, crashes=0, next_attempt_at__lte=Now())
    assert queued.count() == 5_000
    assert status_of(other) == Status.DEAD
    entry = AuditEntry.objects.get(action="domainevent.replayed")
    assert (entry.data["events"], entry.data["type"]) == (5_000, "link.started")
    assert entry.data["reason"] == "the mail server is back"
    assert "done for 5,000" in ops.get(answer["Location"]).content.decode()
    assert [events.dispatch_due() for _ in range(2)] == [events.BATCH] * 2
    assert events.backlog().pending == 4_800


def test_more_than_the_limit_cannot_be_chosen_row_by_row(ops: Client) -> None:
    bury(501)
    chosen = {"action": "replay", "_selected_action": [1], "select_across": "1", "index": "0"}
    html = ops.post(lists(DomainEvent), chosen, follow=True).content.decode()
    assert "Choose at most 500 rows at once." in html
    assert ALL.filter(status=Status.DEAD).count() == 501


@pytest.mark.django_db(transaction=True)
def test_a_replay_rings_for_a_worker(coach: User) -> None:
    bury(3)
    taken("housekeeping")
    assert replaying.replay_dead("link.started", by=coach, reason="it works again") == 3
    assert taken("housekeeping") == [("integrations.tasks.dispatch_events", [])]
    assert replaying.replay_dead("link.started", by=coach, reason="it works again") == 0
    assert taken("housekeeping") == []


def test_a_person_is_told_once_however_often_the_event_is_replayed(athlete: User, garmin_provider: Provider) -> None:
    connection = Connection.objects.create(
        user=athlete, provider=garmin_provider, status="needs_reauth", external_account_id="1"
    )
    row = events.publish("connection.needs_reauth", connection, connection=connection, reason="invalid_grant")
    for _ in range(3):
        assert events.dispatch_due() == 1
        assert Notification.objects.filter(recipient=athlete, channel=Channel.EMAIL).count() == 1
        assert replaying.replay_although_over(row)


# What operations change is told, too


def test_a_changed_provider_is_told_by_what_changed_and_never_by_the_values(
    ops: Client, garmin_provider: Provider
) -> None:
    run(ops, "enable", garmin_provider)
    assert not ALL.filter(type="provider.changed").exists(), "it was enabled already"
    urls = json.dumps({"api": "http://127.0.0.1:8011/garmin/api"})
    ops.post(page(garmin_provider), provider_form(garmin_provider, base_urls=urls, new_client_secret="canary-4711"))
    ops.post(page(garmin_provider), provider_form(Provider.objects.get(pk=garmin_provider.pk), base_urls=urls))
    run(ops, "enable", garmin_provider)
    told = [row.payload for row in ALL.filter(type="provider.changed").order_by("pk")]
    assert told == [
        {"provider": "garmin", "mode": "hold", "fields": ["base_urls", "mode", "new_client_secret"]},
        {"provider": "garmin", "mode": "enabled", "fields": ["mode"]},
    ]
    assert "canary-4711" not in str(list(ALL.values()))


# Retention


def test_what_is_over_goes_after_90_days_what_is_dead_after_180(athlete: User) -> None:
    kept = [
        event(Status.DONE, age=89 * DAY),
        event(Status.DEAD, age=179 * DAY),
        event(Status.PENDING, age=400 * DAY),
        event(Status.DONE, age=HOUR),
    ]
    old = event(Status.DONE, age=91 * DAY)
    gone = [old, event(Status.DROPPED, age=91 * DAY), event(Status.DEAD, age=181 * DAY)]
    Notification.objects.create(event=old, recipient=athlete, channel=Channel.IN_APP, template="x", status="sent")
    Notification.objects.create(event=kept[0], recipient=athlete, channel=Channel.IN_APP, template="x", status="sent")
    tasks.tick_old_events()
    assert set(ALL.values_list("pk", flat=True)) == {row.pk for row in kept}
    assert Notification.objects.get().event == kept[0]
    assert Tick.objects.get(name="tick_old_events").last_count == len(gone)


def test_old_events_are_deleted_in_batches_and_a_round_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "BATCH", 10)
    monkeypatch.setattr(replaying, "MOST_BATCHES", 3)
    bury(45)
    ALL.update(created_at=Now() - 200 * DAY)
    assert [replaying.tidy() for _ in range(3)] == [30, 15, 0]
