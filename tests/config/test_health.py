from collections.abc import Iterator
from threading import Thread

import pytest
from celery import current_app
from django.db import connection
from django.test import Client, override_settings

from config import health

NOWHERE = "redis://127.0.0.1:1/0"


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


@pytest.mark.django_db
def test_ready_names_every_part(client: Client) -> None:
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": "ok", "cache": "ok", "broker": "ok"}


@pytest.mark.django_db
def test_without_redis_it_is_degraded_and_still_ready(client: Client) -> None:
    with override_settings(REDIS_URL=NOWHERE, CELERY_BROKER_URL=NOWHERE):
        answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"status": "degraded", "database": "ok", "cache": "away", "broker": "away"}


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
