"""The provider's side: signs bodies, and sends bytes as they are."""

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from uuid import uuid4

from django.test import Client


def event(kind: str = "updated", *, number: str = "o1", account: str = "a1", at: int | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"type": kind, "object": "workouts", "id": number, "account": account}
    return found if at is None else {**found, "at": at}


def body_of(*events: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"events": list(events or [event()]), **more}).encode()


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


@dataclass
class Sender:
    """`send` signs by Standard Webhooks unless it is told other headers."""

    path: str
    secret: str
    client: Client = field(default_factory=Client)

    def signed(self, body: bytes, *, identity: str = "", at: int | None = None, secret: str = "") -> dict[str, str]:
        key = base64.b64decode((secret or self.secret).removeprefix("whsec_"))
        identity, stamp = identity or f"msg_{uuid4().hex}", str(int(time.time()) if at is None else at)
        digest = hmac.new(key, f"{identity}.{stamp}.".encode() + body, hashlib.sha256).digest()
        return {
            "webhook-id": identity,
            "webhook-timestamp": stamp,
            "webhook-signature": "v1," + base64.b64encode(digest).decode(),
            "content-type": "application/json",
        }

    def send(self, body: bytes | None = None, *, headers: Mapping[str, str] | None = None, **signing: Any) -> Reply:
        body = body_of() if body is None else body
        sent = dict(self.signed(body, **signing) if headers is None else headers)
        kind = sent.pop("content-type", "")
        answer = self.client.post(self.path, body, content_type=kind, headers=sent)
        return Reply(answer.status_code, dict(answer.headers), answer.content)


@dataclass
class Door(Sender):
    """The same over a real socket."""

    port: int = 0

    def send(self, body: bytes | None = None, *, headers: Mapping[str, str] | None = None, **signing: Any) -> Reply:
        body = body_of() if body is None else body
        return self.ask("POST", body=body, headers=self.signed(body, **signing) if headers is None else headers)

    def ask(self, method: str, *, path: str = "", body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        wire = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            wire.request(method, path or self.path, body=body, headers=dict(headers or {}))
            answer = wire.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            wire.close()

    def say(self, head: bytes, *, then: bytes = b"", until_closed: bool = False) -> bytes:
        """Raw bytes; all that comes back until the answer is there, or until the server hangs up."""
        found = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as wire:
            wire.sendall(head + then)
            try:
                while piece := wire.recv(65536):
                    found += piece
                    if found.endswith(b"}") and not until_closed:
                        break
            except ConnectionError:
                pass  # closed with bytes of ours unread
        return found
