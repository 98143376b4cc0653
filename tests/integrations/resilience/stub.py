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

    def stays_within(self, capacity: float, per_s: float, *, since: float) -> bool:
        """Whether at no moment more calls had come than a bucket gives that was full at `since`.

        A call counts when it arrives, which may be long after it was let in, so no shorter stretch says anything.
        """
        came = enumerate(sorted(self.calls), start=1)
        return all(number <= capacity + per_s * (at - since) for number, at in came)


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
