"""What a provider's sandbox is made of: requests, answers, routes, faults and a log of calls."""

import json
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from integrations.sandbox.store import Store

FAULTS = {
    "slow": "Answer after 3 seconds",
    "401": "401 until switched off",
    "401-once": "401 once",
    "403": "403 with a page instead of JSON",
    "404": "404",
    "409": "409",
    "412": "412",
    "429": "429 without Retry-After",
    "429-retry": "429 with Retry-After: 2",
    "500": "500",
    "503": "503",
    "html": "200 with a page instead of JSON",
    "truncated": "200 with half an answer",
    "drop": "Hang up without acting",
    "drop-after": "Act, then hang up",
    "drop-after-once": "Act, then hang up, once",
    "slow-after": "Act, then answer after 3 seconds",
    "500-after": "Act, then answer 500",
    "captcha": "Login asks for a captcha",
    "login-429": "Login answers 429",
    "login-403": "Login answers 403",
    "login-500": "Login answers 500",
    "endless": "Listings repeat their first page for ever",
    "foreign": "Workouts of another account are answered",
    "short-token": "Access tokens live 2 seconds",
}
SLOW_S = 3.0
BLOCK_PAGE = "<!doctype html><title>Attention Required!</title><h1>You have been blocked</h1>"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, its path below the provider's prefix."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    arguments: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The decoded body; None when it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def form(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: JSON, text, or nothing."""

    status: int = 200
    data: Any = None
    text: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> tuple[bytes, str]:
        if self.text is not None:
            return self.text.encode(), "text/html; charset=utf-8"
        if self.data is None:
            return b"", "application/json"
        return json.dumps(self.data).encode(), "application/json"


class HangUp(Exception):
    """The connection ends without an answer."""


type Handler = Callable[[Any, Request], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    pattern: re.Pattern[str]
    handler: Handler
    label: str


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """Mark a method as the answer to `path`; `{name}` takes one segment."""

    def mark(handler: Handler) -> Handler:
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + r"/?")
        handler.routes = [*getattr(handler, "routes", []), Route(method, pattern, handler, path)]  # type: ignore[attr-defined]
        return handler

    return mark


@dataclass(frozen=True, slots=True)
class Call:
    """A line of the request log; without bodies and headers, so without secrets."""

    at: float
    method: str
    path: str
    label: str
    account: str
    status: int


class Sandbox(ABC):
    """Base of a provider's sandbox. A subclass has routes, and says whose request it is for the account's faults."""

    slug: ClassVar[str]
    label: ClassVar[str]

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lock = threading.RLock()
        self.calls: list[Call] = []
        members = (getattr(type(self), name) for name in dir(type(self)))
        self._routes = [entry for member in members for entry in getattr(member, "routes", [])]

    @abstractmethod
    def account_of(self, request: Request) -> str:
        """The key of the account that a request is for, or an empty text."""

    @abstractmethod
    def accounts(self) -> list[dict[str, Any]]:
        """For the control page: key, email, password, code, fault, workouts (id, name), calendar (day, name)."""

    @abstractmethod
    def change(self, key: str, what: str, workout_id: str, value: str) -> None:
        """What a person does at the provider: "rename", "delete" or "add" a workout."""

    def fault_of(self, key: str) -> str:
        return str(self.store.section(self.slug, "faults").get(key, ""))

    def set_fault(self, key: str, fault: str) -> None:
        """Switch a fault of one account, or of all with key "*"; an empty text heals."""
        with self.lock:
            faults = self.store.section(self.slug, "faults")
            if fault:
                faults[key] = fault
            else:
                faults.pop(key, None)
            self.store.save()

    def count(self, label: str, account: str = "") -> int:
        """How many requests a route has had; the route is named by its path pattern."""
        return sum(call.label == label and account in {"", call.account} for call in list(self.calls))

    def answer(self, request: Request) -> Answer:
        """Route a request, with the faults that are switched on. Raises HangUp."""
        for entry in self._routes:
            match = entry.pattern.fullmatch(request.path)
            if match and entry.method == request.method:
                return self._run(entry, request, match.groupdict())
        return Answer(404, {"message": "no such route", "error": "NotFoundException"})

    def _run(self, entry: Route, request: Request, arguments: dict[str, str]) -> Answer:
        request = Request(request.method, request.path, request.query, request.headers, request.body, arguments)
        account = self.account_of(request)
        fault = request.headers.get("x-sandbox-fault") or self._take_fault(account)
        answer = None
        try:
            answer = self._before(fault, entry)
            if answer is None:
                with self.lock:
                    answer = entry.handler(self, request)
                answer = self._after(fault, entry, answer)
            return answer
        finally:
            self._note(entry, request, answer.status if answer else 0, account)

    def _note(self, entry: Route, request: Request, status: int, account: str = "") -> None:
        self.calls.append(Call(time.time(), request.method, request.path, entry.label, account, status))

    def _take_fault(self, account: str) -> str:
        fault = self.fault_of(account) or self.fault_of("*")
        if fault.endswith("-once"):
            self.set_fault(account if self.fault_of(account) else "*", "")
            return fault.removesuffix("-once")
        return fault

    def faulty(self, label: str) -> bool:
        """Whether a route takes the general faults; logins have their own."""
        return bool(label)

    def _before(self, fault: str, entry: Route) -> Answer | None:
        if not fault or not self.faulty(entry.label):
            return None
        if fault == "slow":
            time.sleep(SLOW_S)
            return None
        if fault == "drop":
            raise HangUp
        if fault == "403":
            return Answer(403, text=BLOCK_PAGE, headers={"Server": "cloudflare"})
        if fault == "html":
            return Answer(200, text="<!doctype html><title>Sign in</title>")
        if fault.startswith("429"):
            return Answer(
                429, {"message": "too many requests"}, headers={"Retry-After": "2"} if fault == "429-retry" else {}
            )
        if fault.isdigit():
            return Answer(int(fault), {"message": "as the switch says", "error": "SandboxFault"})
        return None

    def _after(self, fault: str, entry: Route, answer: Answer) -> Answer:
        if not fault or not self.faulty(entry.label):
            return answer
        if fault == "truncated" and answer.data is not None:
            text = json.dumps(answer.data)
            return Answer(answer.status, text=text[: len(text) // 2])
        if fault == "drop-after":
            raise HangUp
        if fault == "slow-after":
            time.sleep(SLOW_S)
        if fault == "500-after":
            return Answer(500, {"message": "internal error"})
        return answer


def split(target: str) -> tuple[str, dict[str, str]]:
    """Path and query of a request line's target."""
    parts = urlsplit(target)
    return parts.path, {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
