"""Our own processes as production starts them, and a line to the database that can be cut."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.db import connection

ROOT = Path(__file__).parents[2]
DOUBLES = str(ROOT / "tests" / "integrations" / "doubles")
READY_S = 60.0
SOCKET = ".s.PGSQL.5432"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def database_folder() -> str:
    return str(connection.settings_dict["HOST"] or connection.settings_dict["OPTIONS"]["host"])


def environment(**more: str) -> dict[str, str]:
    """Of a process that works on the test's database."""
    name = connection.settings_dict["NAME"]
    url = f"postgres://app@/{name}?host={more.pop('database_folder', database_folder())}"
    return {**os.environ, "TESTING": "true", "DATABASE_URL": url, "DATABASE_POOL": "true", "LOG_LEVEL": "ERROR", **more}


@contextmanager
def process(*command: str, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Ended with the block, whatever it does then."""
    started = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=env)
    try:
        yield started
    finally:
        started.kill()
        started.wait(60)


@contextmanager
def web(module: str = "tests.webhooks.server", workers: int = 1, **more: str) -> Iterator[int]:
    """Gunicorn as the demo and the image start it. Yields its port."""
    port = free_port()
    options = ["--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--workers", str(workers), "--threads", "8"]
    options += ["--no-control-socket", "--log-level", "error", "--graceful-timeout", "1"]
    started = subprocess.Popen([sys.executable, "-m", "gunicorn", module, *options], cwd=ROOT, env=environment(**more))
    try:
        _wait_for(port)
        yield port
    finally:
        started.terminate()
        with suppress(subprocess.TimeoutExpired):
            started.wait(5)
        started.kill()


def _wait_for(port: int) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as wire:
            wire.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if wire.recv(64).startswith(b"HTTP/1.1 200"):
                return
        time.sleep(0.05)
    raise AssertionError("the web server did not start")


class Line:
    """A unix socket that leads to another one until it is cut."""

    def __init__(self, folder: Path, to: str) -> None:
        self.folder, self._to = folder, to
        self._open: list[socket.socket] = []
        self._is_cut = False
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(folder / SOCKET))
        self._door.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """Nobody gets through, and who was is thrown out."""
        self._is_cut = True
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._is_cut = False

    def _serve(self) -> None:
        while True:
            caller, _ = self._door.accept()
            if self._is_cut:
                caller.close()
                continue
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._to)
            self._open += [caller, far]
            for one, other in ((caller, far), (far, caller)):
                threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def _pump(one: Any, other: Any) -> None:
    with suppress(OSError):
        while piece := one.recv(65536):
            other.sendall(piece)
    for each in (one, other):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
