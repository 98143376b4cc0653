"""Takes a request's bytes off the wire itself: Django would read them all before it says that they are too many."""

import re
import socket
from contextlib import suppress
from typing import Any

from django.http import HttpRequest

LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
JSON_TYPE = re.compile(r"application/json\s*(;\s*charset=\"?utf-?8\"?\s*)?", re.ASCII | re.IGNORECASE)
CHUNK = 64 * 1024


class Unreadable(Exception):
    """The body is refused before anybody looks at what it says."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


def headers_of(request: HttpRequest) -> dict[str, str]:
    """All headers by their names in small letters."""
    found = {name[5:].replace("_", "-").lower(): str(v) for name, v in request.META.items() if name.startswith("HTTP_")}
    return found | {"content-type": request.META.get("CONTENT_TYPE", "")}


def body_of(request: HttpRequest, most: int) -> bytes:
    """The raw bytes, at most `most`. Raises Unreadable: one that is announced as too long is not read at all."""
    meta: dict[str, Any] = request.META
    announced = str(meta.get("CONTENT_LENGTH") or "")
    is_chunked = "chunked" in str(meta.get("HTTP_TRANSFER_ENCODING", "")).lower()
    if announced and not LENGTH.fullmatch(announced):
        raise Unreadable(400, "bad_request")
    if announced and int(announced) > most:
        _stop_listening(meta)
        raise Unreadable(413, "too_large")
    if str(meta.get("HTTP_CONTENT_ENCODING", "identity")).strip().lower() != "identity":
        raise Unreadable(415, "unsupported_encoding")
    if not JSON_TYPE.fullmatch(str(meta.get("CONTENT_TYPE") or "")):
        raise Unreadable(415, "unsupported_type")
    if is_chunked and meta.get("wsgi.input_terminated"):  # the server ends the stream, there is no length to go by
        body = _read(meta["wsgi.input"], most + 1)
        if len(body) > most:
            _stop_listening(meta)
            raise Unreadable(413, "too_large")
        return body
    body = _read(request, int(announced or 0))
    if len(body) < int(announced or 0):
        raise Unreadable(400, "incomplete")
    return body


def _read(stream: Any, wanted: int) -> bytes:
    """Until `wanted` bytes are there or the stream ends."""
    pieces, there = [], 0
    try:
        while there < wanted and (piece := stream.read(min(CHUNK, wanted - there))):
            pieces.append(piece)
            there += len(piece)
    except OSError:  # the sender went away, or its chunks are none
        raise Unreadable(400, "incomplete") from None
    return b"".join(pieces)


def _stop_listening(meta: dict[str, Any]) -> None:
    """Else the server would read on for seconds to save the connection, and a thread would be gone for as long."""
    wire = meta.get("gunicorn.socket")
    if wire is not None:
        with suppress(OSError):  # the sender went away
            wire.shutdown(socket.SHUT_RD)
