"""A provider that notes when it was called and answers as it is told."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

type Reply = tuple[int, dict[str, str], bytes]

OK: Reply = (200, {}, b'{"ok": true}')


def status(code: int, **headers: str) -> Reply:
    return code, {name.replace("_", "-"): value for name, value in headers.items()}, b"{}"


class Stub:
    """`replies` are used up first; then `reply` decides. `calls` are points of the monotonic clock."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.calls: list[float] = []
        self.paths: list[str] = []
        self.replies: list[Reply] = []
        self.reply: Callable[[], Reply] = lambda: OK
        self._lock = threading.Lock()

    def answer(self, path: str) -> Reply:
        with self._lock:
            self.calls.append(time.monotonic())
            self.paths.append(path)
            if self.replies:
                return self.replies.pop(0)
        return self.reply()

    def most_within(self, seconds: float) -> int:
        """The most calls that any stretch of so many seconds saw."""
        return max((sum(0 <= later - first < seconds for later in self.calls) for first in self.calls), default=0)


@contextmanager
def running_stub() -> Iterator[Stub]:
    stub = Stub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            code, headers, body = stub.answer(self.path)
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, *_: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        stub.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield stub
        server.shutdown()
