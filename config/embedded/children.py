"""Processes of the demo: started in sessions of their own, remembered in pid files, ended with all they started."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

KILLED_WITHIN_S = 5.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Child:
    name: str
    process: subprocess.Popen[bytes]
    pid_file: Path
    log: Path

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self, timeout_s: float) -> None:
        """Ask it to end, wait, and end its whole group if it does not; safe to run twice."""
        _signal_group(self.process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout_s)
        _signal_group(self.process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(KILLED_WITHIN_S)
        self.pid_file.unlink(missing_ok=True)

    def last_words(self, lines: int = 12) -> str:
        """The end of its log, for when it died."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def start(name: str, command: Sequence[str], *, folder: Path, env: Mapping[str, str], cwd: Path) -> Child:
    """Start `command`; its output goes to `folder`/logs. A pid file tells a later supervisor what to end."""
    for each in ("logs", "pids"):
        (folder / each).mkdir(parents=True, exist_ok=True, mode=0o700)
    log, pid_file = folder / "logs" / f"{name}.log", folder / "pids" / name
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    pid_file.write_text(f"{process.pid} {_words(' '.join(command))}", encoding="utf-8")
    return Child(name, process, pid_file, log)


def end_stale(folder: Path, timeout_s: float) -> list[str]:
    """End what a killed supervisor left running; the names. A pid that meanwhile is another program's is left alone."""
    ended = []
    for pid_file in sorted((folder / "pids").glob("*")):
        pid, _, command = pid_file.read_text(encoding="utf-8").partition(" ")
        if pid.isdigit() and _command_of(int(pid)) == command:
            _end(int(pid), command, timeout_s)
            ended.append(pid_file.name)
        pid_file.unlink(missing_ok=True)
    return ended


def _end(pid: int, command: str, timeout_s: float) -> None:
    _signal_group(pid, signal.SIGTERM)
    end = time.monotonic() + timeout_s
    while _command_of(pid) == command and time.monotonic() < end:
        time.sleep(POLL_S)
    _signal_group(pid, signal.SIGKILL)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # gone already
        os.killpg(pid, number)


def _command_of(pid: int) -> str:
    """How the process was started; empty when there is none or it has ended."""
    if Path("/proc/self/cmdline").exists():
        with suppress(OSError):
            return _words(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        return ""
    found = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False)  # noqa: S607
    return _words(found.stdout.decode(errors="replace"))


def _words(command: str) -> str:
    """Written the same way however the system spells empty arguments."""
    return " ".join(command.split())
