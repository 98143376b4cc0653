"""What a provider's sandbox is made of: routes, accounts, faults and a log of calls."""

import json
import re
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from integrations.sandbox.faults import GENERAL, NO_FAULT, Fault, UnknownFault
from integrations.sandbox.messages import BLOCK_PAGE, Answer, Call, HangUp, Request
from integrations.sandbox.sending import Letter, Sent, send_all
from integrations.sandbox.store import Store

SLOW_S = 3.0
MOST_CALLS = 5000  # lines of the log that are kept
MOST_SENT = 500  # webhooks that are remembered
EVERYBODY = "*"
UNREADABLE = Answer(400, {"message": "The request could not be read", "error": "BadRequestException"})

type Handler = Callable[[Any, Request], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    pattern: re.Pattern[str]
    handler: Handler
    label: str


@dataclass(frozen=True, slots=True)
class OwnFault:
    """A fault that only one provider has: its words, and how the paths begin that it is for."""

    words: str
    where: tuple[str, ...]


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """Mark a method as the answer to `path`; `{name}` takes one segment, and a literal path goes first."""

    def mark(handler: Handler) -> Handler:
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + r"/?")
        handler.routes = [*getattr(handler, "routes", []), Route(method, pattern, handler, path)]  # type: ignore[attr-defined]
        return handler

    return mark


class Sandbox(ABC):
    """Base of a provider's sandbox. A subclass has routes, and says whose request it is for the account's faults."""

    slug: ClassVar[str]
    label: ClassVar[str]
    own_faults: ClassVar[Mapping[str, OwnFault]] = {}
    keeps_workouts: ClassVar[bool] = True  # whether its accounts have a library and a calendar
    client: ClassVar[tuple[str, str] | None] = None  # the id and secret of the one application it knows, for OAuth
    actions: ClassVar[Mapping[str, str]] = {}  # what `change` can do to an account as a whole, for the page's buttons
    tellings: ClassVar[Mapping[str, str]] = {}  # the same for what it can tell us by webhook, right or wrong

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lock = store.lock
        self.calls: list[Call] = []
        self.sent: list[Sent] = []
        self.last_told: threading.Thread | None = None
        self.inbox = ""  # the address of our in-box's page, to which the number of an event is added
        self._counts: Counter[tuple[str, str]] = Counter()
        members = (getattr(type(self), name) for name in dir(type(self)))
        routes = [entry for member in members for entry in getattr(member, "routes", [])]
        self._routes = sorted(routes, key=lambda entry: entry.label.count("{"))

    @abstractmethod
    def account_of(self, request: Request) -> str:
        """The key of the account that a request is for, or an empty text."""

    @abstractmethod
    def accounts(self) -> list[dict[str, Any]]:
        """For the control page.

        name, email (the key), password, mfa, code, codes (code, at, used), fault, activities (how many),
        workouts (id, name, sport, updated), calendar (id, on, name).
        """

    @abstractmethod
    def change(self, key: str, what: str, item: str, value: str) -> None:
        """What a person does at the provider: "rename", "delete" or "add" a workout, "unschedule", or an action.

        KeyError when account or item is not there, ValueError when the value will not do.
        """

    def listen(self, address: str) -> dict[str, Any]:  # noqa: ARG002 - for those that tell something
        """Tell `address` alone of what happens, without a handshake: when a demo starts nobody could give one yet.

        Returns what our endpoint is to know: its "registration", and a "secret" where it signs with one. ValueError
        where there is nothing to tell.
        """
        raise ValueError(f"{self.label} tells nothing")

    def tell(self, letters: Sequence[Letter]) -> threading.Thread:
        """Send them one after the other, beside whatever goes on here."""
        del self.sent[:-MOST_SENT]
        self.last_told = threading.Thread(target=send_all, args=(letters, self.sent), daemon=True)
        self.last_told.start()
        return self.last_told

    @abstractmethod
    def refuse(self, entry: Route, request: Request) -> Answer | None:
        """The answer to who may not ask this at all; None lets him in."""

    def faulty(self, label: str) -> bool:
        """Whether a route takes the general faults of its account; logins have faults of their own."""
        return bool(label)

    def known_faults(self) -> dict[str, str]:
        return GENERAL | {name: fault.words for name, fault in self.own_faults.items()}

    def labels(self) -> list[str]:
        """All routes, as `set_fault` and `count` name them."""
        return sorted({f"{entry.method} {entry.label}" for entry in self._routes})

    def fault_of(self, key: str, *, on: str = "") -> str:
        return str(self.store.section(self.slug, "faults").get(_where(key, on), ""))

    def set_fault(self, key: str, fault: str, *, on: str = "") -> None:
        """Switch a fault of one account, or of all with key "*"; an empty text heals. UnknownFault.

        `on` names one route, with its method or for all of them: "POST /api/things" or "/api/things".
        """
        parsed = Fault.parse(fault)
        if fault and not parsed.is_general and parsed.name not in self.own_faults:
            raise UnknownFault(f"there is no fault {fault!r}")
        with self.lock:
            faults = self.store.section(self.slug, "faults")
            if fault:
                faults[_where(key, on)] = fault
            else:
                faults.pop(_where(key, on), None)
            self.store.save()

    def faults(self) -> list[dict[str, str]]:
        """Every fault that is switched on: account, route (empty for all) and fault."""
        with self.lock:
            rows = dict(self.store.section(self.slug, "faults"))
        names = ("account", "route", "fault")
        return [dict(zip(names, (*_parts(at), fault), strict=True)) for at, fault in rows.items()]

    def count(self, label: str, account: str = "") -> int:
        """How many requests a route has had; named by its path pattern, with its method in front or for all."""
        return self._counts[label, account]

    def answer(self, request: Request) -> Answer:
        """Route a request, with the faults that are switched on. Raises HangUp."""
        for entry in self._routes:
            match = entry.pattern.fullmatch(request.path)
            if match and entry.method == request.method:
                return self._run(entry, replace(request, arguments=match.groupdict()))
        return Answer(404, {"message": "no such route", "error": "NotFoundException"})

    def _run(self, entry: Route, request: Request) -> Answer:
        with self.lock:
            account = self.account_of(request)
            request = replace(request, fault=self._take_fault(entry, request, account))
        answer = None
        try:
            answer = self._before(request.fault) or self.refuse(entry, request)
            if answer is None:
                answer = self._after(request.fault, entry, self._handle(entry, request))
            return answer
        finally:
            self._note(entry, request, answer.status if answer else 0, account)

    def _handle(self, entry: Route, request: Request) -> Answer:
        with self.lock:
            try:
                return entry.handler(self, request)
            except ValueError:
                return UNREADABLE

    def _note(self, entry: Route, request: Request, status: int, account: str) -> None:
        with self.lock:
            fault = request.fault.name
            self.calls.append(Call(time.time(), request.method, request.path, entry.label, account, status, fault))
            for label in (entry.label, f"{entry.method} {entry.label}"):
                for key in {"", account}:
                    self._counts[label, key] += 1
            if len(self.calls) > MOST_CALLS:
                del self.calls[: MOST_CALLS // 2]

    def _take_fault(self, entry: Route, request: Request, account: str) -> Fault:
        """The fault for this request; one that is good for a single request is switched off with it."""
        if asked := request.headers.get("x-sandbox-fault"):
            return Fault.parse(asked)
        faults = self.store.section(self.slug, "faults")
        for key in (account, EVERYBODY):
            for on in (f"{entry.method} {entry.label}", entry.label, ""):
                fault = Fault.parse(str(faults.get(_where(key, on), "")))
                if fault.name and (on or self._concerns(fault, entry)):
                    if fault.once:
                        self.set_fault(key, "", on=on)
                    return fault
        return NO_FAULT

    def _concerns(self, fault: Fault, entry: Route) -> bool:
        own = self.own_faults.get(fault.name)
        return entry.label.startswith(own.where) if own else self.faulty(entry.label)

    def _before(self, fault: Fault) -> Answer | None:
        """The answer of a fault that keeps the sandbox from acting."""
        if fault.name == "drop":
            raise HangUp
        if fault.name == "slow":
            time.sleep(fault.seconds(SLOW_S))
        if fault.name == "403":
            return Answer(403, text=BLOCK_PAGE, headers={"Server": "cloudflare"})
        if fault.name == "html":
            return Answer(200, text="<!doctype html><title>Sign in</title>")
        if fault.name in {"429", "429-retry"}:
            return Answer(429, {"message": "too many requests"}, headers=fault.retry_after())
        if fault.is_status:
            return Answer(int(fault.name), {"message": "as the switch says", "error": "SandboxFault"})
        return None

    def _after(self, fault: Fault, entry: Route, answer: Answer) -> Answer:  # noqa: ARG002 - tests hook in by route
        """What comes back of an answer once the sandbox has acted."""
        if fault.name == "drop-after":
            raise HangUp
        if fault.name == "truncated" and answer.data is not None:
            text = json.dumps(answer.data)
            return replace(answer, data=None, text=text[: len(text) // 2], kind="application/json")
        if fault.name == "cut":
            return replace(answer, breaks_off=True)
        if fault.name == "slow-after":
            time.sleep(fault.seconds(SLOW_S))
        if fault.name == "500-after":
            return Answer(500, {"message": "internal error"})
        return answer


def _where(key: str, on: str) -> str:
    return f"{key} {on}".rstrip()


def _parts(at: str) -> tuple[str, str]:
    key, _, on = at.partition(" ")
    return key, on
