"""One count out of many processes: each writes files of its own below one folder, and a scrape adds them up.

A process holds a lock on its sign of life for as long as it lives. So anybody who shares the folder sees who has died,
in other containers too, where a pid says nothing. What a dead process counted is kept in one file of sums, and its
gauges go with it.
"""

import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import values
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # the client library reads it, too
ENDED = "ended"  # the owner of the sums
SIGN = ".alive"


def configure(folder: Path) -> None:
    """Count in files below `folder` from now on. Called before any metric is made."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ[VARIABLE] = str(folder)
    values.ValueClass = values.MultiProcessValue(process_identifier=_Life(folder).name)
    with _alone(folder):
        _bury(folder)  # here as well: where nobody scrapes, files of ended processes would pile up


def collect(folder: Path) -> Iterable[Metric]:
    """The sums over all processes, dead ones included; gauges of the living alone."""
    with _alone(folder):
        _bury(folder)
        files = [str(file) for file in folder.glob("*.db") if file.stat().st_size]
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)
        return list(merged)


class _Life:
    """This process's name among all that share the folder, and the lock that says it lives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid, self._name, self._held = 0, "", -1

    def name(self) -> str:
        """Asked at every count; another one after a fork."""
        if self._pid != os.getpid():
            self._begin()
        return self._name

    def _begin(self) -> None:
        if self._held >= 0:
            os.close(self._held)  # the parent's, which would seem to live as long as its child
        self._pid = os.getpid()
        self._name = f"{self._pid}-{secrets.token_hex(4)}"
        hidden = self._folder / f".{self._name}"  # until it is locked: seen without its lock it would be buried
        self._held = os.open(hidden, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._held, fcntl.LOCK_EX)
        hidden.rename(self._folder / f"{self._name}{SIGN}")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else adds up or buries meanwhile; those who count are not held up."""
    with (folder / "scrape.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _bury(folder: Path) -> None:
    files = list(folder.glob("*.db"))  # before asking who lives: a process shows its sign before its first file
    owners = {file.stem.rpartition("_")[2] for file in files} - {ENDED}
    dead = {owner for owner in owners if not _lives(folder / f"{owner}{SIGN}")}
    for file in files:
        kind, _, owner = file.stem.partition("_")
        if owner.rpartition("_")[2] in dead:
            if kind != "gauge" and file.stat().st_size:
                _add(file, folder / f"{kind}_{ENDED}.db")
            file.unlink()
    for sign in folder.glob(f"*{SIGN}"):
        if not _lives(sign):
            sign.unlink()


def _lives(sign: Path) -> bool:
    try:
        with sign.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _add(file: Path, to: Path) -> None:
    sums = MmapedDict(str(to))
    try:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):
            sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
    finally:
        sums.close()
