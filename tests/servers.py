"""Loaded by pytest before anything of Django (`-p tests.servers`): the test run's own PostgreSQL and Redis."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from config.embedded import servers

os.environ.setdefault("TESTING", "true")
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
os.environ.setdefault("CREDENTIAL_KEYS", "test:" + "dGVzdGtleXRlc3RrZXl0ZXN0a2V5dGVzdGtleTEyMzQ=")

PREFIX = "coaching-tests-"
OWNER = "owner.pid"


def _sweep() -> None:
    """End the servers of test runs that were killed: nobody else would."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, ValueError):  # somebody else's, or being made or swept by another run
            if not servers.is_running(int((folder / OWNER).read_text())):
                servers.stop_leftovers(folder)
                shutil.rmtree(folder, ignore_errors=True)


_folder: Path | None = None
_running: servers.Servers | None = None

if "PYTEST_XDIST_WORKER" not in os.environ and "DATABASE_URL" not in os.environ:
    _sweep()
    _folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    (_folder / OWNER).write_text(str(os.getpid()))
    _running = servers.start(_folder, durable=False)
    os.environ.update(_running.environment())
if worker := os.environ.get("PYTEST_XDIST_WORKER", ""):
    number = int(worker.removeprefix("gw"))  # each process has its own cache and its own queues
    os.environ["REDIS_URL"] = os.environ["REDIS_URL"].replace("db=0", f"db={number + 2}")
    broker = os.environ["CELERY_BROKER_URL"].replace("virtual_host=1", f"virtual_host={number + 9}")
    os.environ["CELERY_BROKER_URL"] = broker


def pytest_unconfigure(config: pytest.Config) -> None:
    if _running and _folder:
        _running.stop()
        shutil.rmtree(_folder, ignore_errors=True)
