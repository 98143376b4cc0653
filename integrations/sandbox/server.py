"""The sandboxes of all providers on one loopback port, with a page and a JSON door to steer them."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from integrations import registry
from integrations.sandbox.control import control
from integrations.sandbox.kit import Sandbox
from integrations.sandbox.logins import LOGINS, LoginSandbox
from integrations.sandbox.messages import Answer, HangUp, Request
from integrations.sandbox.store import Store
from integrations.spec import Part

HOSTS = {"127.0.0.1", "localhost"}
MOST_BYTES = 5 * 1024 * 1024
LONGEST_SILENCE_S = 30.0  # of a connection that is kept open


class RunningSandbox:
    """The sandboxes by provider slug (`running["garmin"]`) and where they answer.

    `inbox` is the address of our in-box's page, for links to what became of a webhook.
    """

    def __init__(self, file: Path | None, port: int, inbox: str = "") -> None:
        store = Store(file)
        bringing = [slug for slug, spec in registry.specs().items() if Part.SANDBOX in spec.parts]
        parts = {slug: registry.part(slug, Part.SANDBOX) for slug in bringing}
        self.sandboxes: dict[str, Sandbox] = {slug: part.SANDBOX(store) for slug, part in parts.items()}
        for sandbox in self.sandboxes.values():
            sandbox.inbox = inbox
        self.logins: dict[str, LoginSandbox] = {kind.slug: kind(store) for kind in LOGINS}
        self.server = _Server(("127.0.0.1", port), self.sandboxes, self.logins)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __getitem__(self, slug: str) -> Sandbox:
        return self.sandboxes[slug]

    def base_urls(self, slug: str) -> dict[str, str]:
        """A Provider row's overrides that point at this sandbox."""
        return {role: f"{self.url}/{slug}/{role}" for role in registry.spec_for(slug).base_urls}


@contextmanager
def running(file: Path | None = None, port: int = 0) -> Iterator[RunningSandbox]:
    """Serve in a thread of this process, for tests; on a free port unless one is named."""
    sandbox = RunningSandbox(file, port)
    thread = threading.Thread(target=sandbox.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield sandbox
    finally:
        sandbox.server.shutdown()
        sandbox.server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up early is no error of ours; anything else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def __init__(
        self, address: tuple[str, int], sandboxes: dict[str, Sandbox], logins: dict[str, LoginSandbox]
    ) -> None:
        self.sandboxes = sandboxes
        self.served: dict[str, Sandbox] = {**logins, **sandboxes}
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "sandbox", ""
    timeout = LONGEST_SILENCE_S
    disable_nagle_algorithm = True  # head and body go out apart; the second would wait 40 ms for the other side's word
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the sandboxes keep their own log, without secrets."""

    def do_GET(self) -> None:
        if refusal := self._refusal():
            self.close_connection = True  # its body is still to come
            self._send(refusal)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self._send(self._answer(body))
        except HangUp:
            self.close_connection = True

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def _refusal(self) -> Answer | None:
        """Why a request is not even read."""
        length = self.headers.get("Content-Length") or "0"
        if self.headers.get("Host", "").partition(":")[0] not in HOSTS:
            return Answer(400, {"message": "loopback only"})
        if not length.isdigit() or self.headers.get("Transfer-Encoding"):
            return Answer(411, {"message": "a length is required"})
        return Answer(413, {"message": "too large"}) if int(length) > MOST_BYTES else None

    def _answer(self, body: bytes) -> Answer:
        target = urlsplit(self.path)
        slug, _, rest = target.path.lstrip("/").partition("/")
        repeated = parse_qs(target.query, keep_blank_values=True)
        sandbox = self.server.served.get(slug)
        request = Request(
            method=self.command,
            path=f"/{rest}" if sandbox else target.path,
            query={name: values[-1] for name, values in repeated.items()},
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            repeated=repeated,
        )
        return sandbox.answer(request) if sandbox else control(self.server.sandboxes, request)

    def _send(self, answer: Answer) -> None:
        content, kind = answer.encoded()
        self.send_response(answer.status)
        if content:
            self.send_header("Content-Type", kind)
        for name, value in answer.headers.items():
            for line in value.split("\n"):  # cookies come in several lines of one name
                self.send_header(name, line)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if answer.breaks_off:
            content, self.close_connection = content[: len(content) // 2], True
        if self.command != "HEAD":
            self.wfile.write(content)
