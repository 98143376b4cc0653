"""Workers that want one login renewed: at once, long after, or dead."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

from django.db import connection as database
from django.db.models import F

from integrations import errors
from integrations.models import Connection, Credential

WORKERS = 20


def age(connection: Connection, by: timedelta) -> Credential:
    """As if `by` had passed since the tokens came."""
    moments = ["issued_at", "refreshed_at", "expires_at", "refresh_failed_at", "lease_until"]
    Credential.objects.filter(connection=connection).update(**{name: F(name) - by for name in moments})
    return Credential.objects.get(connection=connection)


def expire(connection: Connection) -> Credential:
    return age(connection, timedelta(hours=2))


def at_once(work: Callable[[], Any], times: int = WORKERS) -> list[Any]:
    """`work` in that many threads that start together; an exception stands in the list for its result."""
    barrier = Barrier(times)

    def run(_: int) -> Any:
        barrier.wait()
        try:
            return work()
        except errors.IntegrationError as exc:
            return exc
        finally:
            database.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))
