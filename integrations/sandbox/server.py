"""The sandboxes of all providers on one loopback port, with a page and a JSON door to steer them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from integrations import registry
from integrations.sandbox import page
from integrations.sandbox.kit import Answer, HangUp, Request, Sandbox, split
from integrations.sandbox.store import Store
from integrations.spec import Part

HOSTS = {"127.0.0.1", "localhost"}
MOST_BYTES = 5 * 1024 * 1024


class RunningSandbox:
    """The sandboxes by provider slug (`running["garmin"]`) and where they answer."""

    def __init__(self, file: Path | None, port: int) -> None:
        store = Store(file)
        parts = {slug: registry.part(slug, Part.SANDBOX) for slug in registry.specs()}
        self.sandboxes: dict[str, Sandbox] = {slug: part.SANDBOX(store) for slug, part in parts.items()}
        self.server = _Server(("127.0.0.1", port), self)
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

    def __init__(self, address: tuple[str, int], owner: RunningSandbox) -> None:
        self.owner = owner
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "sandbox", ""
    disable_nagle_algorithm = True  # head and body go out apart; the second would wait 40 ms for the other side's word
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the sandboxes keep their own log, without secrets."""

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_DELETE = do_GET

    def _serve(self) -> None:
        if self.headers.get("Host", "").partition(":")[0] not in HOSTS:
            self._send(Answer(400, {"message": "loopback only"}))
            return
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(length, MOST_BYTES))
        try:
            self._send(self._answer(body))
        except HangUp:
            self.close_connection = True
            self.connection.close()

    def _answer(self, body: bytes) -> Answer:
        path, query = split(self.path)
        slug, _, rest = path.lstrip("/").partition("/")
        if slug in self.server.owner.sandboxes:
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, f"/{rest}", query, headers, body)
            return self.server.owner.sandboxes[slug].answer(request)
        return _control(self.server.owner, self.command, path, body)

    def _send(self, answer: Answer) -> None:
        content, kind = answer.encoded()
        self.send_response(answer.status)
        if content:
            self.send_header("Content-Type", kind)
        for name, value in answer.headers.items():
            for line in value.split("\n"):
                self.send_header(name, line)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _control(owner: RunningSandbox, method: str, path: str, body: bytes) -> Answer:
    if method == "POST" and path == "/control/":
        return _change(owner, body)
    if path == "/":
        return Answer(text=page.draw(owner.sandboxes), headers=page.HEADERS)
    if path == "/control/accounts":
        return Answer(data={slug: sandbox.accounts() for slug, sandbox in owner.sandboxes.items()})
    if path == "/control/log":
        return Answer(data={slug: [_row(call) for call in box.calls[-500:]] for slug, box in owner.sandboxes.items()})
    return Answer(404, {"message": "nothing here"})


def _row(call: Any) -> dict[str, Any]:
    return {"at": call.at, "method": call.method, "path": call.path, "account": call.account, "status": call.status}


def _change(owner: RunningSandbox, body: bytes) -> Answer:
    """One of the page's forms, or the same as JSON from a script."""
    try:
        values = json.loads(body)
    except ValueError:
        values = {name: found[-1] for name, found in parse_qs(body.decode(), keep_blank_values=True).items()}
    sandbox = owner.sandboxes.get(values.get("provider", ""))
    if sandbox is None:
        return Answer(404, {"message": "no such provider"})
    if values.get("what") == "fault":
        sandbox.set_fault(values.get("account", "*"), values.get("value", ""))
    else:
        sandbox.change(values["account"], values["what"], values.get("workout", ""), values.get("value", ""))
    return Answer(303, headers={"Location": "/"})
