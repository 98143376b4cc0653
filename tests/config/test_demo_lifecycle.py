"""`manage.py demo` from the outside: it starts, passes its own check, survives a kill, and leaves nothing behind."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import until

ROOT = Path(__file__).resolve().parents[2]
OURS = {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "TESTING", "CREDENTIAL_KEYS", "SANDBOX_PORT", "RUN_DIR"}
PARTS = {"sandbox", "web", "worker", "beat"}
START_S, STOP_S = 120, 60

pytestmark = pytest.mark.xdist_group("demo")  # one at a time


class Runs:
    """The demo as a person's terminal runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.output = folder / "run", folder / "out.txt"
        self.port = _two_free_ports()
        self.env = {name: value for name, value in os.environ.items() if name not in OURS}
        self.env["RUN_DIR"] = str(self.folder)
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *options: str) -> list[str]:
        return [sys.executable, "manage.py", "demo", "--port", str(self.port), "--no-browser", *options]

    def start(self) -> None:
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(self.command(), cwd=ROOT, env=self.env, stdout=output, stderr=output)
        until(lambda: "Ctrl-C" in self.said() or self.ended(), words=self.said, within_s=START_S)
        assert not self.ended(), self.said()

    def once(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = self.command(*options)
        return subprocess.run(
            command, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=START_S, check=False
        )

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(STOP_S)

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def pids(self) -> dict[str, int]:
        return {file.name: int(file.read_text().split()[0]) for file in (self.folder / "pids").iterdir()}

    def postgres_pid(self) -> int:
        return int((self.folder / "postgres" / "postmaster.pid").read_text().split()[0])


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Runs]:
    runs = Runs(tmp_path)
    yield runs
    if runs.process and not runs.ended():
        runs.end()


def test_its_whole_life(demo: Runs) -> None:
    demo.start()
    told = demo.once("--check")
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.count(" s  ") == 9

    another = demo.once()
    assert (another.returncode, another.stderr.count("\n")) == (1, 1)
    assert f"runs already: http://127.0.0.1:{demo.port}" in another.stderr

    first, database = demo.pids(), demo.postgres_pid()
    assert set(first) == PARTS
    demo.end(signal.SIGKILL)
    assert all(is_alive(pid) for pid in first.values())

    demo.start()
    assert demo.postgres_pid() == database  # adopted
    assert not any(is_alive(pid) for pid in first.values())
    again = demo.once("--check")
    assert again.returncode == 0, again.stdout
    assert "was connected already" in again.stdout

    second = demo.pids()
    assert demo.end(signal.SIGINT) == 0
    assert not any(is_alive(pid) for pid in (*second.values(), database))
    assert not list((demo.folder / "pids").iterdir())


def test_when_a_part_dies_everything_stops_and_it_says_which(demo: Runs) -> None:
    demo.start()
    pids, database = demo.pids(), demo.postgres_pid()
    os.killpg(pids["worker"], signal.SIGKILL)
    assert demo.process is not None
    assert demo.process.wait(STOP_S) == 1
    assert "worker has ended" in demo.said()
    assert not any(is_alive(pid) for pid in (*pids.values(), database))
    for name in ("secret_key", "credential_keys"):
        assert stat.S_IMODE((demo.folder / "keys" / name).stat().st_mode) == 0o600


def test_a_taken_port_is_one_clear_line(demo: Runs) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", demo.port))
        squatter.listen()
        refused = demo.once()
    assert refused.returncode == 1
    assert refused.stderr == (
        f"CommandError: Port {demo.port}, meant for the pages, is taken. Choose another one with --port.\n"
    )
    assert not (demo.folder / "postgres").exists()


def test_the_check_fails_where_no_demo_runs(demo: Runs) -> None:
    told = demo.once("--check")
    assert told.returncode == 1
    assert "FAILED 1. The coach logs in" in told.stdout
    assert not demo.folder.exists()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _two_free_ports() -> int:
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
