"""People who connect accounts of Garmin's sandbox: what the page and the worker do together."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connections

from accounts.models import User
from integrations.models import (
    Connection,
    ConnectSession,
    Provider,
)
from integrations.sandbox import RunningSandbox
from integrations.services import connecting, logging_in

PASSWORD = "sandbox-only"
BEN, CHEN, COACH = "athlete2@sandbox.example", "athlete3@sandbox.example", "coach@sandbox.example"  # Carla uses MFA
LOGIN = "/sso/mobile/api/login"
Session, State = ConnectSession.Status, Connection.Status


def begin(user: User, account: str = BEN, password: str = PASSWORD) -> ConnectSession:
    provider = Provider.objects.get(slug="garmin")
    return connecting.begin(user, provider, {"email": account, "password": password})


def connect(user: User, account: str = BEN, password: str = PASSWORD) -> ConnectSession:
    """What the page and the worker do together."""
    session = begin(user, account, password)
    logging_in.work(session.pk)
    session.refresh_from_db()
    return session


def connection_of(user: User) -> Connection:
    return Connection.objects.live().get(user=user)


def code_of(garmin: RunningSandbox, account: str = COACH) -> str:
    return str(next(row["code"] for row in garmin["garmin"].accounts() if row["email"] == account))


def wrong_code(garmin: RunningSandbox) -> str:
    return "000000" if code_of(garmin) != "000000" else "111111"


def answer(session: ConnectSession, code: str) -> ConnectSession:
    assert connecting.submit_code(session, code)
    logging_in.check_code(session.pk)
    session.refresh_from_db()
    return session


def in_parallel(times: int, work: Callable[[int], object]) -> list[object]:
    """Threads with connections of their own that start together."""
    barrier = Barrier(times)

    def run(number: int) -> object:
        try:
            barrier.wait()
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))
