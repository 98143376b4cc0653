"""The demo's supervisor: starts everything in order, watches it, and stops it in the opposite order."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NoReturn

from config.embedded import children, keys, servers
from config.embedded.children import Child

QUEUES = "interactive,webhooks,sync,housekeeping"
STOP_ORDER = ("beat", "worker", "web", "sandbox")  # then Redis and PostgreSQL
STOP_TIMEOUT_S = 15.0
READY_TIMEOUT_S = 60.0
LOOK_S = 0.25
LAST_WORDS = 2000


class DemoError(Exception):
    """The demo cannot run; the message says why in one line."""


class Stopped(Exception):
    """Somebody asked us to stop."""


@dataclass
class Demo:
    """One run of the demo. `run()` returns after a wish to stop and raises DemoError when a part of it dies."""

    base: Path
    folder: Path
    port: int
    sandbox_port: int
    say: Callable[[str], None]
    started: dict[str, Child] = field(default_factory=dict)
    embedded: servers.Servers | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *, reset: bool, when_ready: Callable[[], None]) -> None:
        with self._alone(), _signals():
            try:
                self._tidy(reset=reset)
                self._start()
                when_ready()
                self._watch()
            except Stopped:
                return
            finally:
                _ignore_signals()  # the first wish to stop is being fulfilled, in order
                self._stop()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / "demo.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.seek(0)
                raise DemoError(f"The demo runs already: {lock.read() or 'in another window'}.") from None
            lock.truncate(0)
            lock.write(self.url)
            lock.flush()
            yield

    def _tidy(self, *, reset: bool) -> None:
        """Nothing of an earlier run is in the way: its processes have ended, and with `reset` its data is gone."""
        children.end_stale(self.folder, STOP_TIMEOUT_S)
        if reset:
            servers.stop_leftovers(self.folder)
            _empty(self.folder, but="demo.lock")
        shutil.rmtree(self.folder / "metrics", ignore_errors=True)
        for port, what in ((self.port, "the pages"), (self.sandbox_port, "the sandbox")):
            if _is_taken(port):
                raise DemoError(f"Port {port}, meant for {what}, is taken. Choose another one with --port.")

    def _start(self) -> None:
        env = self._environment()
        with self._timed("PostgreSQL and Redis"):
            env |= self._start_servers()
        with self._timed("Database and people"):
            self._spawn(
                "sandbox", _manage("sandbox", "--port", str(self.sandbox_port), "--file", str(self._sandbox_file)), env
            )
            self._prepare(env)
        with self._timed("Web, worker, beat"):
            self._spawn("web", _web(self.port), env)
            self._spawn(
                "worker",
                _celery("worker", "-P", "threads", "-c", "8", "--without-gossip", "--without-mingle", "-Q", QUEUES),
                env,
            )
            self._spawn("beat", _celery("beat", "--pidfile", ""), env)
            self._await(f"{self.url}/health/live", "web")
            self._await(f"http://127.0.0.1:{self.sandbox_port}/", "sandbox")

    @property
    def _sandbox_file(self) -> Path:
        return self.folder / "sandbox.json"

    def _environment(self) -> dict[str, str]:
        (self.folder / "mail").mkdir(exist_ok=True, mode=0o700)
        return {
            **os.environ,
            **keys.ensure(self.folder / "keys"),
            "DEMO": "true",
            "RUN_DIR": str(self.folder),
            "PROMETHEUS_MULTIPROC_DIR": str(self.folder / "metrics"),
            "SITE_URL": self.url,
            "SANDBOX_PORT": str(self.sandbox_port),
            "PYTHONUNBUFFERED": "1",
        }

    def _start_servers(self) -> dict[str, str]:
        """Our own PostgreSQL and Redis, unless the environment names others."""
        if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
            return {}
        self.embedded = servers.start(self.folder)
        return {name: os.environ.get(name) or url for name, url in self.embedded.environment().items()}

    def _prepare(self, env: dict[str, str]) -> None:
        done = subprocess.run(
            _manage("prepare_demo"), env=env, cwd=self.base, capture_output=True, check=False, start_new_session=True
        )
        if done.returncode:
            raise DemoError(
                "The database could not be prepared:\n" + done.stderr.decode(errors="replace")[-LAST_WORDS:]
            )

    def _spawn(self, name: str, command: list[str], env: dict[str, str]) -> None:
        self.started[name] = children.start(name, command, folder=self.folder, env=env, cwd=self.base)

    def _await(self, url: str, name: str) -> None:
        end = time.monotonic() + READY_TIMEOUT_S
        while not _answers(url):
            self._require_alive()
            if time.monotonic() > end:
                raise DemoError(f"{name} does not answer; see {self.started[name].log}")
            time.sleep(LOOK_S / 5)

    def _require_alive(self) -> None:
        for child in self.started.values():
            if not child.alive():
                raise DemoError(f"{child.name} has ended; its last words:\n{child.last_words()}")
        for server in (self.embedded.postgres, self.embedded.redis) if self.embedded else ():
            if not server.alive():
                raise DemoError(f"{server.name} has ended; see {self.folder}")

    def _watch(self) -> NoReturn:
        while True:
            self._require_alive()
            time.sleep(LOOK_S)

    def _stop(self) -> None:
        for name in STOP_ORDER:
            if child := self.started.pop(name, None):
                child.stop(STOP_TIMEOUT_S)
        servers.stop_leftovers(self.folder)

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        begin = time.monotonic()
        yield
        self.say(f"  {what:<22}{time.monotonic() - begin:5.1f} s")


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def _signals() -> Iterator[None]:
    before = [signal.signal(number, _stop_now) for number in STOP_SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(STOP_SIGNALS, before, strict=True):
            signal.signal(number, handler)


def _stop_now(_: int, __: FrameType | None) -> NoReturn:
    _ignore_signals()
    raise Stopped


def _ignore_signals() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _manage(*arguments: str) -> list[str]:
    return [sys.executable, "manage.py", *arguments]


def _celery(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "celery", "-A", "config", *arguments]


def _web(port: int) -> list[str]:
    options = ["--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--workers", "1", "--threads", "8"]
    return [sys.executable, "-m", "gunicorn", "config.wsgi", *options, "--graceful-timeout", "5", "--no-control-socket"]


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _empty(folder: Path, *, but: str) -> None:
    for entry in folder.iterdir():
        if entry.name == but:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            with suppress(FileNotFoundError):
                entry.unlink()
