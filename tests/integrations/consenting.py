"""People who connect accounts of Strava's sandbox: their browser at the provider, the callback, and the worker."""

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import requests
from django.test import Client

from accounts.models import User
from integrations.models import Connection, ConnectSession, Provider
from integrations.sandbox import RunningSandbox
from integrations.services import logging_in

ADA, BEN = "athlete1@sandbox.example", "athlete2@sandbox.example"
SCOPES = ("read", "activity:read_all")
CONNECT, CALLBACK = "/connections/strava/connect/", "/connections/strava/callback/"
TOKEN, REVOKE = "/token/api/v3/oauth/token", "/token/oauth/revoke"
Session, State = ConnectSession.Status, Connection.Status


def browser(user: User) -> Client:
    """A login session of its own."""
    client = Client()
    client.force_login(user)
    return client


def depart(client: Client) -> str:
    """The provider's address that the button leads to."""
    answer = client.post(CONNECT)
    assert answer.status_code == 303, answer.content
    return str(answer["Location"])


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def decide(url: str, account: str = ADA, *, answer: str = "yes", allow: tuple[str, ...] = SCOPES) -> str:
    """What the person does on the provider's page; returns the address he is sent back to."""
    assert requests.get(url, timeout=60).ok
    form = query_of(url) | {"account": account, "answer": answer, "allow": allow}
    sent = requests.post(url.partition("?")[0], data=form, timeout=60, allow_redirects=False)
    assert sent.status_code == 302, sent.text
    return str(sent.headers["Location"])


def come_back(client: Client, url: str) -> "tuple[int, ConnectSession | None]":
    """The callback, and the worker's part when one was begun. The latest attempt, as it then is."""
    answer = client.get(CALLBACK, query_of(url))
    return answer.status_code, work()


def call_back(client: Client, query: Mapping[str, object]) -> int:
    return client.get(CALLBACK, dict(query)).status_code  # type: ignore[arg-type]


def work() -> ConnectSession | None:
    for session in ConnectSession.objects.filter(status=Session.CHECKING):
        logging_in.check_code(session.pk)
    return ConnectSession.objects.select_related("connection").order_by("pk").last()


def connect(user: User, account: str = ADA, **how: object) -> ConnectSession:
    client = browser(user)
    _, session = come_back(client, decide(depart(client), account, **how))  # type: ignore[arg-type]
    assert session is not None
    return session


def connection_of(user: User) -> Connection:
    return Connection.objects.live().select_related("provider", "user").get(user=user)


def strava_row() -> Provider:
    return Provider.objects.get(slug="strava")


def only() -> ConnectSession:
    return ConnectSession.objects.get()


def calls(strava: RunningSandbox) -> int:
    return strava["strava"].count(TOKEN)
