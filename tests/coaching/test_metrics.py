"""What the whole product counts while people use it names nobody and nothing of theirs."""

import re
from collections.abc import Iterator
from uuid import UUID

import pytest
from django.conf import settings
from django.test import Client, override_settings
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from accounts.models import User
from coaching.models import CoachingLink, Delivery
from config.metrics import exposition
from integrations import credentials
from integrations.gauges import STATE
from integrations.models import Connection, ConnectSession, Provider, SyncJob, SyncStream
from integrations.sandbox import RunningSandbox
from integrations.services import connecting, logging_in, scheduling, syncing
from tests.coaching.world import CREATE, Account, accepted, easy_run, run

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = "canary"
LABELS = {
    *("provider", "operation", "outcome", "resource", "mode", "change", "status", "tick", "key", "kind", "part"),
    *(
        "group",
        "bucket",
        "to",
        "reason",
        "source",
        "le",
        "layer",
        "data_type",
        "direction",
        "event",
        "code",
        "lane",
        "state",
    ),
    *("view", "method", "transport", "charset", "templatename", "type"),
    *("implementation", "major", "minor", "patchlevel", "version", "generation"),  # of Python itself
}
WORDS = re.compile(r"[A-Za-z0-9_.:+ <>/\[\]',-]{0,300}")  # neither @ nor anything that must be escaped in a URL


@pytest.fixture(autouse=True)
def _nothing_cached() -> Iterator[None]:
    STATE.forget()
    yield
    STATE.forget()


def labels_of(text: str) -> set[tuple[str, str]]:
    families = text_string_to_metric_families(text)
    return {pair for family in families for sample in family.samples for pair in sample.labels.items()}


def refuse_login(user: User, provider: Provider) -> ConnectSession:
    values = {"email": f"{CANARY}-account@sandbox.example", "password": f"{CANARY}-password"}
    session = connecting.begin(user, provider, values)
    logging_in.work(session.pk)
    session.refresh_from_db()
    assert session.status == "failed"
    return session


def synced(connection: Connection) -> SyncJob:
    stream, _ = SyncStream.objects.get_or_create(connection=connection, resource="workouts")
    job = scheduling.request_sync(stream, trigger="manual")
    syncing.run(job.pk)
    job.refresh_from_db()
    assert job.status == "succeeded"
    return job


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def test_no_label_names_a_person_a_secret_an_address_or_a_row(
    client: Client,
    link: CoachingLink,
    account: Account,
    connection: Connection,
    garmin: RunningSandbox,
    garmin_provider: Provider,
    stranger: User,
) -> None:
    User.objects.filter(pk=stranger.pk).update(email=f"{CANARY}-person@example.org", display_name=f"{CANARY} name")
    session = refuse_login(stranger, garmin_provider)
    account.behaves("drop-after", CREATE)
    delivery = run(accepted(link, easy_run(f"{CANARY} workout")))
    account.behaves("")
    job = synced(connection)
    client.force_login(link.athlete)
    client.get("/", headers={"User-Agent": f"{CANARY}-agent", "X-Request-ID": f"{CANARY}trace"})
    client.get(f"/connections/{CANARY}/?token={CANARY}-token")
    text = exposition().decode()

    assert CANARY not in text.lower()
    forbidden = _belongs_to_people(connection, delivery, job, session, link)
    found = labels_of(text)
    assert {name for name, _ in found} <= LABELS
    for name, written in found:
        assert WORDS.fullmatch(written), (name, written)
        assert "://" not in written
        assert written not in forbidden, (name, written)
        assert name == "le" or not re.search(r"\d{6}|[0-9a-f]{8}-[0-9a-f]{4}", written), (name, written)
    for secret in (word for word in forbidden if len(word) >= 6):
        assert secret not in text, "in a value or a name"


def _belongs_to_people(
    connection: Connection, delivery: Delivery, job: SyncJob, session: ConnectSession, link: CoachingLink
) -> set[str]:
    people = [(str(user.email), str(user.display_name)) for user in (link.coach, link.athlete)]
    ids: list[UUID | str] = [connection.public_id, delivery.public_id, session.public_id, delivery.marker]
    tokens = credentials.usable(connection).secrets.values()
    known = [delivery.remote_workout_id, connection.external_account_id, job.trace_id, session.account_key]
    return {str(word) for word in (*sum(people, ()), *ids, *tokens, *known, settings.REDIS_URL) if word}


def test_what_happened_is_counted_where_it_happened(
    link: CoachingLink, account: Account, connection: Connection, garmin: RunningSandbox
) -> None:
    def counts() -> dict[str, float]:
        one = {"provider": "garmin", "resource": "workouts"}
        return {
            "jobs": value("sync_jobs_total", **one, mode="full", outcome="succeeded"),
            "seconds": value("sync_job_seconds_count", **one),
            "created": value("sync_items_total", resource="workouts", change="created"),
            "unchanged": value("sync_items_total", resource="workouts", change="unchanged"),
            "delivered": value("delivery_total", provider="garmin", outcome="delivered"),
            "took": value("delivery_seconds_count", provider="garmin"),
            "refreshed": value("integration_token_refresh_total", provider="garmin", outcome="refreshed"),
        }

    def since(before: dict[str, float]) -> dict[str, float]:
        return {name: number - before[name] for name, number in counts().items()}

    start = counts()
    job = synced(connection)
    assert since(start) == {
        **dict.fromkeys(start, 0), "jobs": 1, "seconds": 1, "created": job.created_n, "unchanged": 0
    }  # fmt: skip
    assert job.created_n > 0

    between = counts()
    synced(connection)
    assert since(between) == {**dict.fromkeys(start, 0), "jobs": 1, "seconds": 1, "unchanged": job.created_n}

    between = counts()
    delivery = run(accepted(link))
    assert since(between) == {**dict.fromkeys(start, 0), "delivered": 1, "took": 1}

    between = counts()
    Delivery.objects.filter(pk=delivery.pk).update(status="pending", remote_schedule_id="")
    run(delivery)
    assert since(between) == {**dict.fromkeys(start, 0), "delivered": 1}, "only the first time is timed"

    between = counts()
    credentials.renew(connection, seen_version=credentials.usable(connection).version)
    assert since(between)["refreshed"] == 1


def test_deliveries_are_told_by_how_they_stand(link: CoachingLink, account: Account, fast: None) -> None:
    def told() -> dict[str, str]:
        STATE.forget()
        lines = exposition().decode().splitlines()
        return dict(line.rpartition(" ")[::2] for line in lines if line.startswith("deliver"))

    delivery = accepted(link)
    assert told()['deliveries_waiting{status="pending"}'] == "1.0"
    account.behaves("drop-after", CREATE)
    assert run(delivery).status == "uncertain"
    assert (told()["delivery_uncertain"], told()['deliveries_waiting{status="pending"}']) == ("1.0", "0.0")
    Delivery.objects.update(next_attempt_at="2026-01-01T00:00Z")
    assert float(told()["delivery_oldest_due_seconds"]) > 86_400


def test_the_page_tells_of_deliveries(client: Client) -> None:
    token = "y" * 30
    with override_settings(METRICS_TOKEN=token):
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert b"\ndelivery_uncertain 0.0" in answer.content
