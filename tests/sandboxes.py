"""The providers' sandboxes in tests: started, found by class, asked through a gateway, heard at an address of ours."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings

from config.demo import seeding
from integrations import errors
from integrations.models import Provider, ProviderMode
from integrations.registry import spec_for
from integrations.resilience.gateway import Gateway, Hooks
from integrations.resilience.policies import Policies
from integrations.resilience.state import SharedState
from integrations.sandbox import RunningSandbox, Sandbox, running
from integrations.signatures import InvalidSignature

PATIENCE_S = 60

WIDE = {"capacity": 1000, "per_s": 1000}

type Handshake = Callable[[Mapping[str, list[str]]], Mapping[str, Any] | None]


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running() as started:
        yield started


def box_of[T: Sandbox](sandbox: RunningSandbox, kind: type[T]) -> T:
    found = sandbox[kind.slug]
    assert isinstance(found, kind)
    return found


def gateway_to(sandbox: RunningSandbox, slug: str) -> Gateway:
    state = SharedState(settings.REDIS_URL)
    return Gateway(slug, base_urls=sandbox.base_urls(slug), policies=Policies(), state=state, hooks=Hooks())


def point_at(provider: Provider, sandbox: RunningSandbox) -> None:
    """Switched on, as the application that the sandbox knows, and with no bucket in the way."""
    spec = spec_for(provider.slug)
    provider.mode = ProviderMode.ENABLED
    provider.base_urls = sandbox.base_urls(provider.slug)
    provider.limits = dict.fromkeys(spec.limits, WIDE)
    provider.save()
    if spec.oauth:
        seeding.register_client(provider)


def told(box: Sandbox) -> None:
    """All that it wanted to send was answered."""
    assert box.last_told
    box.last_told.join(PATIENCE_S)
    assert not box.last_told.is_alive()


@dataclass(frozen=True, slots=True)
class Heard:
    headers: Mapping[str, str]
    body: dict[str, Any]


class Listener(HTTPServer):
    """An application's webhook address. It answers 200, or what `statuses` says one after the other."""

    def __init__(self, handshake: Handshake) -> None:
        self.handshake = handshake
        self.heard: list[Heard] = []
        self.statuses: list[int] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook/"


@contextmanager
def listening(handshake: Handshake = lambda _: None) -> Iterator[Listener]:
    """`handshake` answers a GET, or raises what becomes 403."""
    server = Listener(handshake)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        try:
            self._say(200, json.dumps(self.server.handshake(parse_qs(urlsplit(self.path).query))).encode())
        except (errors.DataError, InvalidSignature):
            self._say(403, b"{}")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.heard.append(Heard({name.lower(): value for name, value in self.headers.items()}, body))
        self._say(self.server.statuses.pop(0) if self.server.statuses else 200, b"{}")

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
