"""Requests, answers and the lines of the log."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from integrations.sandbox.faults import NO_FAULT, Fault

BLOCK_PAGE = "<!doctype html><title>Attention Required! | Cloudflare</title><h1>Sorry, you have been blocked</h1>"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, its path below the provider's prefix. `fault` is the one that is meant for it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    arguments: Mapping[str, str] = field(default_factory=dict)
    repeated: Mapping[str, list[str]] = field(default_factory=dict)  # the query, with every value of a name
    fault: Fault = NO_FAULT

    def json(self) -> Any:
        """The decoded body; None when it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def fields(self) -> dict[str, Any]:
        """The body's JSON object; an empty one when it is anything else."""
        found = self.json()
        return found if isinstance(found, dict) else {}

    def form(self) -> dict[str, str]:
        decoded = parse_qs(self.body.decode(errors="replace"), keep_blank_values=True)
        return {name: values[-1] for name, values in decoded.items()}

    def suffers(self, *names: str) -> bool:
        """Whether one of a provider's own faults is switched on for this request."""
        return self.fault.name in names

    def number(self, name: str, default: int) -> int:
        """A whole number of the query; ValueError, answered 400, for anything else."""
        return max(0, int(self.query.get(name, default)))


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: JSON, text, a file, or nothing. `breaks_off` ends the connection in the middle of the body."""

    status: int = 200
    data: Any = None
    text: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks_off: bool = False
    kind: str = "text/html; charset=utf-8"  # of `text`
    content: bytes | None = None  # of a file

    def encoded(self) -> tuple[bytes, str]:
        if self.content is not None:
            return self.content, "application/octet-stream"
        if self.text is not None:
            return self.text.encode(), self.kind
        if self.data is None:
            return b"", "application/json"
        return json.dumps(self.data).encode(), "application/json"


class HangUp(Exception):
    """The connection ends without an answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """A line of the request log; without query, headers and bodies, so without secrets. Status 0 is a hang-up."""

    at: float
    method: str
    path: str
    label: str
    account: str
    status: int
    fault: str = ""
