"""Strava put together: consent, tokens, the API with its limits, and what an athlete does there."""

import base64
import binascii
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, ClassVar

from integrations import oauth
from integrations.providers.strava.sandbox import activities, consent, emitting
from integrations.providers.strava.sandbox.state import CLIENT_ID, CLIENT_SECRET, State
from integrations.sandbox import Answer, Letter, OwnFault, Request, Route, Store, route
from integrations.sandbox.consent import may_send_to, send_back, ticked
from integrations.sandbox.oauth import OAuthSandbox, token_faults

AUTHORIZE = "/authorize/oauth/authorize"
TOKEN, REVOKE = "/token/api/v3/oauth/token", "/token/oauth/revoke"
API = "/api/"
SUBSCRIPTIONS = "/api/push_subscriptions"
QUARTER_S, DAY_S = 900, 86_400
LIMITS, READ_LIMITS = (1200, 60_000), (600, 30_000)
MOST_A_PAGE = 200
FAULTS = {
    **token_faults(TOKEN),
    "quarter-full": OwnFault("This call was the quarter hour's last", (API,)),
    "day-full": OwnFault("This call was the day's last", (API,)),
    "over-limit": OwnFault("429, and the headers say that the quarter hour is used up", (API,)),
    "foreign-athlete": OwnFault("The profile of another athlete is answered", ("/api/athlete",)),
}


class StravaSandbox(OAuthSandbox):
    """All routes that our login and adapter call, and those that operations need."""

    state: State
    slug = "strava"
    label = "Strava"
    keeps_workouts = False
    client = (CLIENT_ID, CLIENT_SECRET)
    odd_expiry = "six hours"
    own_faults: ClassVar[Mapping[str, OwnFault]] = FAULTS
    actions: ClassVar[Mapping[str, str]] = {
        "train": "Record an activity on this day",
        "retrain": "Change the newest activity",
        "untrain": "Delete the newest activity",
        "expire": "Let the access tokens run out",
        "revoke": "Take back the yes, as under My Apps",
    }
    tellings: ClassVar[Mapping[str, str]] = {
        "again": "Tell of the newest activity, twice",
        "late": "Tell of it an hour late",
        "reorder": "Tell of its change before its coming",
        "stale": "Tell of it with a signature of an hour ago",
        "unsigned": "Tell of it with the signature of somebody else",
        "forge": "Tell, as a stranger, that the yes was taken back",
    }

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.state = State(store)

    def account_of(self, request: Request) -> str:
        if request.path.startswith(API):
            row = self.token_of(request)
            return str(row["email"]) if row else ""
        form = request.form()
        for table, key in (
            (self.state.codes, form.get("code", "")),
            (self.state.refreshes, form.get("refresh_token", "") or form.get("token", "")),
            (self.state.tokens, form.get("token", "")),
        ):
            if key in table:
                return str(table[key]["email"])
        return form.get("account", "")

    def faulty(self, label: str) -> bool:
        return label.startswith((API, "/token/"))

    def refuse(self, entry: Route, request: Request) -> Answer | None:
        if entry.label.startswith(SUBSCRIPTIONS):
            return (
                None if self.is_client({**request.query, **request.form()}) else _error(400, "Application", "client_id")
            )
        if entry.label.startswith(API) and self.token_of(request) is None:
            return _error(401, "Athlete", "access_token")
        return None

    def accounts(self) -> list[dict[str, Any]]:
        with self.lock:
            return [self._shown(person) for person in self.state.people.values()]

    def change(self, key: str, what: str, item: str, value: str) -> None:  # noqa: ARG002 - the kit's
        with self.lock:
            person = self.state.people[key]
            if what not in {**self.actions, **self.tellings}:
                raise ValueError(f"nobody can {what!r} here")
            about = person["activities"][0]
            if what == "train":
                start = datetime.combine(date.fromisoformat(value), datetime.now(UTC).timetz())
                about = self.state.record(person, start)
            elif what == "retrain":
                about |= {"name": f"{about['name']} again", "moving_time": about["moving_time"] + 60}
            elif what == "untrain":
                person["activities"].remove(about)
            elif what == "expire":
                self.state.expire(key)
            elif what == "revoke":
                self.state.deauthorize(key)
            self.store.save()
            if events := _events(person["id"], about["id"], what):
                self.tell(self._letters(key, what, events))

    def listen(self, address: str) -> dict[str, Any]:
        if not may_send_to(address):
            raise ValueError("that address is not on this machine")
        with self.lock:
            known = self.state.subscriptions
            number = next((key for key, row in known.items() if row["callback_url"] == address), "")
            number = number or str(self.state.next_id("subscription", 120_000))
            known.clear()
            known[number] = {"callback_url": address}
            self.store.save()
        return {"registration": {"subscription_id": int(number)}}

    def _letters(self, key: str, what: str, events: list[emitting.Event]) -> list[Letter]:
        secret = "somebody-else" if what == "unsigned" else self.client[1]
        signed_at = time.time() - (3600 if what == "stale" else 0)
        return emitting.letters(self._listeners(what), events, account=key, secret=secret, signed_at=signed_at)

    def _listeners(self, what: str) -> dict[str, Any]:
        """Whom it is told; a forger knows the address, and not the subscription's number."""
        known = self.state.subscriptions
        return {str(int(key) + 1): row for key, row in known.items()} if what == "forge" else dict(known)

    @route("GET", AUTHORIZE)
    def ask(self, request: Request) -> Answer:
        if problem := _problem(request.query):
            return problem
        people = [(person["email"], _name(person)) for person in self.state.people.values()]
        return consent.page(request, people)

    @route("POST", AUTHORIZE)
    def decide(self, request: Request) -> Answer:
        form = request.form()
        if problem := _problem(form):
            return problem
        person = self.state.people.get(form.get("account", ""))
        if form.get("answer") != "yes" or person is None:
            return send_back(form, {"error": "access_denied"})
        wanted, allowed = consent.asked(form.get("scope", "")), ticked(request)
        scopes = [scope for scope in wanted if scope == consent.ALWAYS or scope in allowed]
        code = self.state.code_for(person, form["redirect_uri"], scopes, form.get("code_challenge", ""))
        return send_back(form, {"code": code, "scope": ",".join(scopes)})

    @route("POST", TOKEN)
    def give_tokens(self, request: Request) -> Answer:
        form = request.form()
        if not self.is_client(form):
            return _error(401, "Application", "client_id")
        what = "AuthorizationCode" if "code" in form else "RefreshToken"
        return self.new_tokens(request) or _error(400, what, "code")

    @route("POST", REVOKE)
    def revoke(self, request: Request) -> Answer:
        """By either token. A token that is over already is answered alike."""
        if not self._is_basic(request):
            return _error(401, "Application", "client_id")
        token = request.form().get("token", "")
        if row := self.state.refreshes.get(token) or self.state.tokens.get(token):
            self.state.deauthorize(row["email"])
        return Answer(data={})

    @route("GET", "/api/athlete")
    def athlete(self, request: Request) -> Answer:
        person = self.asker(request)
        number = person["id"] + 1_000_000 if request.suffers("foreign-athlete") else person["id"]
        return Answer(
            data={
                "id": number, "resource_state": 2, "firstname": person["first"], "lastname": person["last"],
                "profile": "", "measurement_preference": "meters", "premium": False,
            }
        )  # fmt: skip

    @route("GET", "/api/athlete/activities")
    def list_activities(self, request: Request) -> Answer:
        """Newest first, oldest first with `after`; those only the athlete sees need the larger permission."""
        token, person = self.token_of(request) or {}, self.asker(request)
        if not {"activity:read", "activity:read_all"} & set(token.get("scopes", ())):
            return _error(401, "AccessToken", "activity:read_permission", "missing")
        rows = [row for row in person["activities"] if self._may_see(token, row)]
        if after := request.number("after", 0):
            rows = [row for row in reversed(rows) if _epoch(row) > after]
        if before := request.number("before", 0):
            rows = [row for row in rows if _epoch(row) < before]
        size = min(request.number("per_page", 30), MOST_A_PAGE)
        first = (max(1, request.number("page", 1)) - 1) * size
        return Answer(data=rows[first : first + size])

    @route("GET", "/api/activities/{activity}")
    def activity(self, request: Request) -> Answer:
        found = self._shown_to(request)
        return Answer(data=found | {"resource_state": 3, "calories": 480.0}) if found else _not_found("Activity")

    @route("GET", "/api/activities/{activity}/laps")
    def laps(self, request: Request) -> Answer:
        found = self._shown_to(request)
        return _not_found("Activity") if found is None else Answer(data=activities.laps(found))

    @route("GET", "/api/activities/{activity}/streams")
    def streams(self, request: Request) -> Answer:
        found = self._shown_to(request)
        wanted = request.query.get("keys", "").split(",")
        return _not_found("Activity") if found is None else Answer(data=activities.streams(found, wanted))

    @route("GET", SUBSCRIPTIONS)
    def subscriptions(self, request: Request) -> Answer:  # noqa: ARG002 - the kit's
        rows = self.state.subscriptions.items()
        return Answer(data=[{"id": int(key), "callback_url": row["callback_url"]} for key, row in rows])

    @route("POST", SUBSCRIPTIONS)
    def subscribe(self, request: Request) -> Answer:
        """One for the application, once its address has shaken hands."""
        form = request.form()
        address = form.get("callback_url", "")
        if self.state.subscriptions:
            return _error(400, "PushSubscription", "PushSubscription", "already exists")
        if not (may_send_to(address) and emitting.shakes_hands(address, form.get("verify_token", ""))):
            return _error(400, "PushSubscription", "callback url", "not verifiable")
        number = self.state.next_id("subscription", 120_000)
        self.state.subscriptions[str(number)] = {"callback_url": address}
        self.store.save()
        return Answer(201, {"id": number})

    @route("DELETE", SUBSCRIPTIONS + "/{subscription}")
    def unsubscribe(self, request: Request) -> Answer:
        gone = self.state.subscriptions.pop(request.arguments["subscription"], None)
        self.store.save()
        return Answer(204) if gone else _not_found("PushSubscription")

    def _after(self, fault: Any, entry: Route, answer: Answer) -> Answer:
        answer = super()._after(fault, entry, answer)
        return self._with_limits(fault.name, answer) if entry.label.startswith(API) else answer

    def _with_limits(self, fault: str, answer: Answer) -> Answer:
        """The headers of every answer of the API; a call over the limit counts all the same."""
        with self.lock:
            used = [self._count(f"{QUARTER_S}", QUARTER_S), self._count(f"{DAY_S}", DAY_S)]
        if fault in {"quarter-full", "over-limit"}:
            used[0] = READ_LIMITS[0]
        if fault == "day-full":
            used[1] = READ_LIMITS[1]
        headers = {
            "X-RateLimit-Limit": f"{LIMITS[0]},{LIMITS[1]}", "X-RateLimit-Usage": f"{used[0]},{used[1]}",
            "X-ReadRateLimit-Limit": f"{READ_LIMITS[0]},{READ_LIMITS[1]}",
            "X-ReadRateLimit-Usage": f"{used[0]},{used[1]}",
        }  # fmt: skip
        if fault == "over-limit" or used[0] > READ_LIMITS[0] or used[1] > READ_LIMITS[1]:
            return replace(_error(429, "Application", "read rate limit", "exceeded"), headers=headers)
        return replace(answer, headers={**answer.headers, **headers})

    def _count(self, name: str, length_s: int) -> int:
        window = time.time() // length_s
        row = self.state.usage.setdefault(name, {"window": window, "calls": 0})
        row["calls"] = row["calls"] + 1 if row["window"] == window else 1
        row["window"] = window
        return int(row["calls"])

    def for_code(self, form: Mapping[str, str], life_s: float) -> dict[str, Any] | None:
        row = self.state.take_code(form.get("code", ""))
        if row is None:
            return None
        if row["challenge"] and oauth.challenge(form.get("code_verifier", "")) != row["challenge"]:
            return None
        person = self.state.people[row["email"]]
        athlete = {"id": person["id"], "firstname": person["first"], "lastname": person["last"]}
        return self.state.grant(row, life_s=life_s) | {"athlete": athlete}

    def _shown(self, person: dict[str, Any]) -> dict[str, Any]:
        email = person["email"]
        return {
            "name": _name(person), "email": email, "password": "", "mfa": False, "code": "", "codes": [],
            "fault": self.fault_of(email), "activities": len(person["activities"]), "workouts": [], "calendar": [],
        }  # fmt: skip

    def _shown_to(self, request: Request) -> dict[str, Any] | None:
        token, wanted = self.token_of(request) or {}, request.arguments["activity"]
        rows: list[dict[str, Any]] = self.asker(request)["activities"]
        return next((row for row in rows if str(row["id"]) == wanted and self._may_see(token, row)), None)

    def _may_see(self, token: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
        return not row["private"] or "activity:read_all" in token.get("scopes", ())

    def _is_basic(self, request: Request) -> bool:
        try:
            sent = base64.b64decode(request.headers.get("authorization", "").removeprefix("Basic "), validate=True)
        except binascii.Error:
            return False
        return sent == ":".join(self.client).encode()


def _events(owner: int, activity: int, what: str) -> list[emitting.Event]:
    """What Strava, or somebody who poses as it, tells of a happening."""
    came = emitting.happened("activity", activity, "create", owner=owner)
    changed = emitting.happened("activity", activity, "update", owner=owner, updates={"title": "Renamed"})
    gone = emitting.happened("athlete", owner, "update", owner=owner, updates={"authorized": "false"})
    deleted = emitting.happened("activity", activity, "delete", owner=owner)
    told = {
        "train": [came], "retrain": [changed], "untrain": [deleted], "stale": [changed], "unsigned": [changed],
        "again": [came, came], "late": [came | {"event_time": came["event_time"] - 3600}],
        "reorder": [changed | {"event_time": changed["event_time"] + 1}, came], "revoke": [gone], "forge": [gone],
    }  # fmt: skip
    return told.get(what, [])


def _problem(fields: Mapping[str, str]) -> Answer | None:
    """Why nobody is asked: the application is unknown, or would be sent to a foreign address."""
    if fields.get("client_id") != CLIENT_ID:
        return _error(400, "Application", "client_id")
    if not may_send_to(fields.get("redirect_uri", "")):
        return _error(400, "Application", "redirect_uri")
    return None if fields.get("response_type") == "code" else _error(400, "Application", "response_type")


def _error(status: int, resource: str, field: str, code: str = "invalid") -> Answer:
    words = {400: "Bad Request", 401: "Authorization Error", 404: "Resource Not Found", 429: "Rate Limit Exceeded"}
    return Answer(status, {"message": words[status], "errors": [{"resource": resource, "field": field, "code": code}]})


def _not_found(resource: str) -> Answer:
    return Answer(
        404, {"message": "Resource Not Found", "errors": [{"resource": resource, "field": "id", "code": "invalid"}]}
    )


def _name(person: Mapping[str, Any]) -> str:
    return f"{person['first']} {person['last']}"


def _epoch(row: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(row["start_date"]).timestamp()
