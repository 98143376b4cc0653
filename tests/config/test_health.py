from collections.abc import Iterator
from datetime import timedelta
from threading import Thread

import pytest
from celery import current_app
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone

from config import health
from integrations import encryption
from integrations.encryption import KeyRing
from integrations.models import Tick, VaultKey

NOWHERE = "redis://127.0.0.1:1/0"
PARTS = ("database", "keys", "cache", "broker", "beat")


@pytest.fixture(autouse=True)
def _unknown_yet() -> Iterator[None]:
    health._migrated.clear()
    yield
    health._migrated.clear()


def test_live_asks_nobody(client: Client) -> None:
    """No `db` mark: a query would fail this test."""
    answer = client.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.fixture
def beat(db: None) -> None:
    Tick.objects.create(name="tick_now", last_at=timezone.now(), last_seconds=0)


@pytest.mark.usefixtures("beat")
def test_ready_names_every_part(client: Client) -> None:
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", **dict.fromkeys(PARTS, "ok")}


@pytest.mark.usefixtures("beat")
def test_without_redis_it_is_degraded_and_still_ready(client: Client) -> None:
    with override_settings(REDIS_URL=NOWHERE, CELERY_BROKER_URL=NOWHERE):
        answer = client.get("/health/ready")
    assert answer.status_code == 200
    away = {"cache": "away", "broker": "away"}
    assert answer.json() == {"status": "degraded", **dict.fromkeys(PARTS, "ok"), **away}


@pytest.mark.django_db
@pytest.mark.parametrize("age_s", [None, 190])
def test_a_silent_beat_is_told_and_pages_are_still_served(client: Client, age_s: int | None) -> None:
    Tick.objects.all().delete()
    if age_s:
        Tick.objects.create(name="tick_old", last_at=timezone.now() - timedelta(seconds=age_s), last_seconds=0)
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"], answer.json()["beat"]) == (200, "degraded", "silent")


@pytest.mark.django_db
@pytest.mark.parametrize("ring", ["", "k1:short", encryption.new_key("k1")], ids=["none", "broken", "another"])
def test_a_process_with_a_broken_ring_is_not_ready(client: Client, ring: str) -> None:
    first = KeyRing.parse(encryption.new_key("k1"))
    VaultKey.objects.create(kid="k1", check_value=first.check_value("k1"))
    with override_settings(CREDENTIAL_KEYS=ring):
        answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"], answer.json()["keys"]) == (503, "unavailable", "broken")
    assert "k1" not in answer.content.decode()


@pytest.mark.django_db
def test_a_database_that_lacks_a_migration_is_not_ready(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'coaching'")
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert (answer.json()["status"], answer.json()["database"]) == ("unavailable", "not migrated")


def test_every_thread_rings_the_products_own_broker() -> None:
    seen: list[tuple[str, str]] = []
    options = "broker_transport_options"

    def look() -> None:
        seen.append((current_app.main, current_app.conf[options]["global_keyprefix"]))

    thread = Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [("config", "tc:")]
