"""The edge of the machine: names, and the network behind `socket.connect`. Nothing leaves loopback, all is noted.

Product code runs as it is: it looks up a name, gets a public address, connects to it, and this network carries it to a
server of the test.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Wire:
    names: dict[str, list[list[str]]] = field(default_factory=dict)  # answers in turn; the last one stays
    routes: dict[str, int] = field(default_factory=dict)  # public address: port of a server on 127.0.0.1
    peers: dict[str, str] = field(default_factory=dict)  # address: whose it proves to be once connected
    dead: set[str] = field(default_factory=set)  # they never answer
    looked_up: list[str] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)
    waited: list[float | None] = field(default_factory=list)

    def answers(self, host: str) -> list[str] | None:
        self.looked_up.append(host)
        turns = self.names.get(host)
        if turns is None:
            return None
        return turns.pop(0) if len(turns) > 1 else turns[0]

    def lead(self, address: str, port: int, timeout: float | None) -> tuple[str, int]:
        """Where a connection to `address` really goes."""
        self.connected.append((address, port))
        if address in self.dead:
            self.waited.append(timeout)
            raise TimeoutError("timed out")
        if address not in self.routes:
            raise ConnectionRefusedError(111, "Connection refused")
        return "127.0.0.1", self.routes[address]


def install(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire = Wire()
    real_look_up, real_socket = socket.getaddrinfo, socket.socket

    def look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if (answers := wire.answers(host)) is None:
            if host != "localhost":  # whatever spells a number becomes one; no question leaves the machine
                kwargs["flags"] = socket.AI_NUMERICHOST
            return real_look_up(host, port, *args, **kwargs)
        families = [socket.AF_INET6 if ":" in answer else socket.AF_INET for answer in answers]
        kinds = zip(families, answers, strict=True)
        return [(family, socket.SOCK_STREAM, 6, "", (answer, port)) for family, answer in kinds]

    class Socket(real_socket):  # type: ignore[misc, valid-type]
        """A socket of this machine whose network is the wire."""

        leads_to = ""

        def connect(self, address: Any) -> None:
            host, port = address[:2]
            if ip_address(host).is_loopback or ip_address(host).is_unspecified:
                wire.connected.append((host, port))
                super().connect(address)
                return
            goal = wire.lead(host, port, self.gettimeout())
            self.leads_to = wire.peers.get(host, host)
            if self.family == socket.AF_INET6:
                raise OSError(101, "Network is unreachable")
            super().connect(goal)

        def getpeername(self) -> Any:
            peer = super().getpeername()
            return (self.leads_to, 443) if self.leads_to else peer

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "socket", Socket)
    return wire


class Listener:
    """Waits on loopback, in both families, and counts who comes."""

    def __init__(self) -> None:
        self.visits = 0
        self._sockets = [socket.create_server(("127.0.0.1", 0))]
        self.port: int = self._sockets[0].getsockname()[1]
        if socket.has_ipv6:
            self._sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        for each in self._sockets:
            threading.Thread(target=self._wait, args=(each,), daemon=True).start()

    def _wait(self, listening: socket.socket) -> None:
        while True:
            try:
                visitor, _ = listening.accept()
            except OSError:
                return
            self.visits += 1
            visitor.close()

    def close(self) -> None:
        for each in self._sockets:
            each.shutdown(socket.SHUT_RDWR)
            each.close()


@dataclass
class Call:
    path: str
    host: str
    headers: dict[str, str]


@dataclass
class Server:
    port: int
    ca: str
    calls: list[Call] = field(default_factory=list)
    server_names: list[str | None] = field(default_factory=list)
    connections: int = 0
    answer: Callable[[str], tuple[int, dict[str, str]]] = lambda path: (200, {})


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """A self-made certificate for `host` and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / f"{host}.pem", folder / f"{host}.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    unlocked = serialization.NoEncryption()
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption_algorithm=unlocked)
    )
    return pem, secret


@contextmanager
def serving(folder: Path, host: str, *, tls: bool = True) -> Iterator[Server]:
    """A web server on loopback that shows a certificate for `host`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            server.connections += 1

        def do_GET(self) -> None:
            server.calls.append(Call(self.path, self.headers["Host"], dict(self.headers)))
            status, headers = server.answer(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": "2", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *args: Any) -> None:
            """A client that turns away from a wrong certificate is what some tests want."""

    web = Quiet(("127.0.0.1", 0), Handler)
    server = Server(web.server_address[1], "")
    if tls:
        pem, secret = certificate(folder, host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, secret)
        context.sni_callback = lambda sock, name, _: server.server_names.append(name)
        web.socket = context.wrap_socket(web.socket, server_side=True)
        server.ca = str(pem)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        web.shutdown()
        web.server_close()
        thread.join()
