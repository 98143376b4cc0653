"""The processes that the demo starts, watched from the system's side."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from config.embedded import children, keys, servers

SLEEPER = [sys.executable, "-c", "import sys, time; time.sleep(60)", ""]
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def test_stale_processes_are_ended_and_others_left_alone(tmp_path: Path) -> None:
    stale = children.start("stale", SLEEPER, folder=tmp_path, env=os.environ, cwd=tmp_path)
    bystander = subprocess.Popen(SLEEPER)
    try:
        (tmp_path / "pids" / "reused").write_text(f"{bystander.pid} python manage.py something-else")
        (tmp_path / "pids" / "gone").write_text("999999999 python manage.py gone")
        (tmp_path / "pids" / "broken").write_text("")
        assert children.end_stale(tmp_path, timeout_s=5) == ["stale"]
        assert stale.process.wait(60) != 0
        assert bystander.poll() is None
        assert list((tmp_path / "pids").iterdir()) == []
    finally:
        bystander.kill()
        bystander.wait()


def test_who_ignores_a_polite_request_is_killed_with_all_it_started(tmp_path: Path) -> None:
    spawn = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {STUBBORN!r}])"
    child = children.start("stubborn", [sys.executable, "-c", spawn], folder=tmp_path, env=os.environ, cwd=tmp_path)
    servers._wait_until(lambda: "up" in child.last_words(), 60, "it did not start")
    child.stop(timeout_s=0.2)
    assert not child.alive()
    with pytest.raises(ProcessLookupError):
        _require_gone(child.process.pid)
    assert not child.pid_file.exists()


def test_keys_are_made_once_and_readable_by_nobody_else(tmp_path: Path) -> None:
    named = keys.ensure(tmp_path / "keys")
    assert set(named) == {"SECRET_KEY_FILE", "CREDENTIAL_KEYS_FILE", "METRICS_TOKEN_FILE"}
    before = {name: Path(file).read_text() for name, file in named.items()}
    assert {stat.S_IMODE(Path(file).stat().st_mode) for file in named.values()} == {0o600}
    keys.ensure(tmp_path / "keys")
    assert {name: Path(file).read_text() for name, file in named.items()} == before
    assert before["CREDENTIAL_KEYS_FILE"].startswith("k1:")
    assert len(before["SECRET_KEY_FILE"]) > 80


def test_naming_the_servers_touches_nothing(tmp_path: Path) -> None:
    database, cache, broker = servers.urls(tmp_path / "absent")
    assert database.startswith("postgres://app@/app?host=")
    assert cache.startswith("unix://")
    assert broker.startswith("redis+socket://")
    assert not (tmp_path / "absent").exists()


def test_servers_are_adopted_keep_their_data_and_stop(tmp_path: Path) -> None:
    folder = tmp_path / ("a-folder-whose-path-is-too-long-for-a-socket-" * 3)
    first = servers.start(folder, durable=False)
    try:
        with psycopg.connect(first.database_url) as connection:
            connection.execute("CREATE TABLE kept (n int)")
        second = servers.start(folder, durable=False)
        assert (second.postgres.pid, second.redis.pid) == (first.postgres.pid, first.redis.pid)
        assert second.postgres.process is None  # adopted, not started
        assert len(str(servers.socket_folder(folder) / ".s.PGSQL.5432")) < 107
        assert stat.S_IMODE(servers.socket_folder(folder).stat().st_mode) == 0o700
    finally:
        servers.stop_leftovers(folder)
    assert not first.postgres.alive()
    assert not first.redis.alive()
    third = servers.start(folder, durable=False)
    try:
        with psycopg.connect(third.database_url) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        with redis.Redis.from_url(third.redis_url) as client:
            assert client.ping()
    finally:
        third.stop()
        servers.socket_folder(folder).rmdir()


def _require_gone(group: int) -> None:
    servers._wait_until(lambda: not _group_runs(group), 60, "a part of the group still runs")
    os.killpg(group, 0)


def _group_runs(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
