"""The partner programme put together: consent, tokens, people, activities, backfill, and what happens to people."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from integrations import oauth
from integrations.providers.garmin_partner.sandbox import consent, emitting
from integrations.providers.garmin_partner.sandbox.state import (
    CLIENT_ID,
    CLIENT_SECRET,
    PERMISSIONS,
    SLUG,
    Person,
    State,
)
from integrations.providers.garmin_partner.sandbox.training import TrainingRoutes
from integrations.sandbox import Answer, OwnFault, Request, Route, Store, route
from integrations.sandbox.consent import may_send_to, send_back, ticked
from integrations.sandbox.oauth import token_faults

AUTHORIZE, PORTAL = "/authorize/oauth2Confirm", "/authorize/portal"
TOKEN = "/token/di-oauth2-service/oauth/token"
API, USER = "/api/", "/user/"
TRAINING = ("/api/workoutportal/", "/api/training-api/")
ACTIVITIES = "/api/wellness-api/rest/activities"
BACKFILL = "/api/wellness-api/rest/backfill/activities"
LONGEST_WINDOW_S, LONGEST_BACKFILL_S = 86_400, 30 * 86_400
INACTIVE = Answer(401, {"message": "Token is not active", "error": "UnauthorizedException"})
FAULTS = {
    **token_faults(TOKEN),
    "foreign-user": OwnFault("The id of another person is answered", ("/user/user/id",)),
    "bare-schedule": OwnFault("A new day is answered by its number alone", ("/api/training-api/schedule",)),
    "bare-permissions": OwnFault("Permissions come as a list without a name", ("/user/user/permissions",)),
}
ACTIONS = {
    "train": "Record an activity on this day",
    "retitle": "Give the newest activity another name",
    "late": "Upload an activity of this day only now",
    "permit": "Give or take back the permission for workouts",
    "expire": "Let the access tokens run out",
    "revoke": "Leave, as on Garmin's page",
}
TELLINGS = {
    "again": "Tell of the newest activity, twice",
    "reorder": "Tell of a new one's new name before its coming",
    "batch": "Tell of everybody's newest activity at once",
    "ping": "Ping instead of push",
    "hostile": "Ping with a link that leads elsewhere",
    "forge": "Tell, with our key, that the person left, though nobody did",
    "stranger": "Tell the same without our key",
}


class GarminPartnerSandbox(TrainingRoutes):
    """All routes that our login and adapter call, the consent page, the partner's portal, and a sender."""

    slug = SLUG
    label = "Garmin Connect (official)"
    client = (CLIENT_ID, CLIENT_SECRET)
    own_faults: ClassVar[Mapping[str, OwnFault]] = FAULTS
    actions: ClassVar[Mapping[str, str]] = ACTIONS
    tellings: ClassVar[Mapping[str, str]] = TELLINGS
    odd_expiry = "one day"

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.state = State(store)

    def account_of(self, request: Request) -> str:
        if row := self.token_of(request):
            return str(row["email"])
        form = request.form()
        for table, key in ((self.state.codes, "code"), (self.state.refreshes, "refresh_token")):
            if form.get(key, "") in table:
                return str(table[form[key]]["email"])
        return form.get("account", "")

    def faulty(self, label: str) -> bool:
        return label.startswith((API, USER, "/token/"))

    def refuse(self, entry: Route, request: Request) -> Answer | None:
        """401 without a token, 412 without the permission."""
        if not entry.label.startswith((API, USER)):
            return None
        row = self.token_of(request)
        if row is None:
            return INACTIVE
        needed = {ACTIVITIES: "ACTIVITY_EXPORT", BACKFILL: "ACTIVITY_EXPORT"}.get(entry.label, "")
        needed = "WORKOUT_IMPORT" if entry.label.startswith(TRAINING) else needed
        if needed and needed not in self.state.people[row["email"]]["permissions"]:
            return Answer(412, {"message": "permission not granted", "error": "PreconditionFailedException"})
        return None

    def accounts(self) -> list[dict[str, Any]]:
        with self.lock:
            return [self._told(person) for person in self.state.people.values()]

    def change(self, key: str, what: str, item: str, value: str) -> None:
        with self.lock:
            person = self.state.people[key]
            if what in {**self.actions, **self.tellings}:
                self._happen(person, what, value)
            elif what == "add":
                steps = [{"type": "WorkoutStep", "stepOrder": 1, "intensity": "ACTIVE", "durationType": "OPEN"}]
                own = {"workoutName": value, "sport": "RUNNING", "segments": [{"segmentOrder": 1, "steps": steps}]}
                self.state.put_workout(person, own, ours=False)
            elif what == "rename":
                self.state.put_workout(person, person["workouts"][item] | {"workoutName": value})
            elif what == "delete":
                self.state.drop_workout(person, item)
            elif what == "unschedule":
                del person["schedules"][item]
            else:
                raise ValueError(f"nobody can {what!r} here")
            self.store.save()

    def listen(self, address: str, mode: str = "push") -> dict[str, Any]:
        """What the partner enters in the portal, which gives no number for it. ValueError."""
        if mode not in consent.MODES or (address and not may_send_to(address)):
            raise ValueError("an address of this machine, and push or ping")
        with self.lock:
            self.state.portal |= {"url": address, "mode": mode}
            self.store.save()
        return {}

    def _happen(self, person: Person, what: str, value: str) -> None:
        if what == "expire":
            self.state.expire(person["email"])
            return
        bodies = self._bodies(person, what, value)
        us = "somebody" if what == "stranger" else CLIENT_ID
        self._send(person, bodies, client_id=us)

    def _send(self, person: Person, bodies: Sequence[emitting.Body], *, client_id: str = CLIENT_ID) -> None:
        url = self.state.portal.get("url", "")
        self.tell(emitting.letters(url, bodies, account=person["email"], client_id=client_id))

    def _bodies(self, person: Person, what: str, value: str) -> list[emitting.Body]:
        """Let it happen, and word it."""
        user, newest = person["user"], person["activities"][-1]["summary"]
        if what in {"forge", "stranger"}:
            return [emitting.left(user)]
        if what == "revoke":
            self.state.deregister(person["email"])
            return [emitting.left(user)]
        if what == "permit":
            held = set(person["permissions"]) ^ {"WORKOUT_IMPORT"}
            person["permissions"] = [name for name in PERMISSIONS if name in held]
            return [emitting.permitted(user, person["permissions"])]
        if what == "batch":
            return [emitting.pushed(*(each["activities"][-1]["summary"] for each in self.state.people.values()))]
        if what in {"train", "late", "reorder"}:
            start = datetime.combine(date.fromisoformat(value), datetime.now(UTC).timetz())
            newest = self.state.record(person, start - timedelta(hours=2), uploaded=datetime.now(UTC))
        return self._worded(person, what, newest)

    def _worded(self, person: Person, what: str, newest: dict[str, Any]) -> list[emitting.Body]:
        before = dict(newest)
        if what in {"retitle", "reorder"}:
            newest["activityName"] = f"{newest['activityName']}, renamed"
        uploaded = next(row["uploaded"] for row in person["activities"] if row["summary"] is newest)
        window = (person["user"], uploaded - 60, uploaded + 60)
        if what == "hostile":
            return [emitting.pinged(*window, root=emitting.HOSTILE)]
        if what == "ping" or self.state.portal.get("mode") == "ping":
            told = [emitting.pinged(*window)]
        else:
            told = [emitting.pushed(newest)]
        return {"again": told * 2, "reorder": [*told, emitting.pushed(before)]}.get(what, told)

    @route("GET", AUTHORIZE)
    def ask(self, request: Request) -> Answer:
        if problem := _problem(request.query):
            return problem
        return consent.page(request, [(person["email"], person["name"]) for person in self.state.people.values()])

    @route("POST", AUTHORIZE)
    def decide(self, request: Request) -> Answer:
        form = request.form()
        if problem := _problem(form):
            return problem
        person = self.state.people.get(form.get("account", ""))
        if form.get("answer") != "yes" or person is None:
            return send_back(form, {"error": "access_denied"})
        code = self.state.code_for(person, form["redirect_uri"], ticked(request), form["code_challenge"])
        return send_back(form, {"code": code})

    @route("GET", PORTAL)
    def show_portal(self, request: Request) -> Answer:  # noqa: ARG002 - the kit's
        return consent.portal(self.state.portal)

    @route("POST", PORTAL)
    def enter(self, request: Request) -> Answer:
        form = request.form()
        self.listen(form.get("url", ""), form.get("mode", "push"))
        return consent.portal(self.state.portal)

    @route("POST", TOKEN)
    def give_tokens(self, request: Request) -> Answer:
        if not self.is_client(request.form()):
            return Answer(401, {"error": "invalid_client"})
        return self.new_tokens(request) or Answer(400, {"error": "invalid_grant"})

    @route("GET", "/user/user/id")
    def user_id(self, request: Request) -> Answer:
        user = self.asker(request)["user"]
        return Answer(data={"userId": user[::-1] if request.suffers("foreign-user") else user})

    @route("GET", "/user/user/permissions")
    def permissions(self, request: Request) -> Answer:
        held = self.asker(request)["permissions"]
        return Answer(data=held if request.suffers("bare-permissions") else {"permissions": held})

    @route("DELETE", "/user/user/registration")
    def deregister(self, request: Request) -> Answer:
        """The partner hears of it as well."""
        person = self.asker(request)
        self.state.deregister(person["email"])
        self._send(person, [emitting.left(person["user"])])
        return Answer(204)

    @route("GET", ACTIVITIES)
    def activities(self, request: Request) -> Answer:
        first, last = (request.number(f"upload{end}TimeInSeconds", -1) for end in ("Start", "End"))
        if not 0 < first <= last <= first + LONGEST_WINDOW_S:
            return Answer(400, {"message": "at most 24 hours of upload time", "error": "BadRequestException"})
        return Answer(data=self.state.uploaded(self.asker(request), first, last))

    @route("GET", BACKFILL)
    def backfill(self, request: Request) -> Answer:
        """Each range once; what it holds is pushed."""
        person = self.asker(request)
        first, last = (request.number(f"summary{end}TimeInSeconds", -1) for end in ("Start", "End"))
        if "HISTORICAL_DATA_EXPORT" not in person["permissions"]:
            return Answer(403, {"message": "historical data is not shared", "error": "ForbiddenException"})
        if not 0 < first <= last <= first + LONGEST_BACKFILL_S:
            return Answer(400, {"message": "at most 30 days", "error": "BadRequestException"})
        if [first, last] in person["backfilled"]:
            return Answer(409, {"message": "asked for before", "error": "ConflictException"})
        person["backfilled"].append([first, last])
        self.store.save()
        if rows := self.state.recorded(person, first, last):
            self._send(person, [emitting.pushed(*rows)])
        return Answer(202)

    def for_code(self, form: Mapping[str, str], life_s: float) -> dict[str, Any] | None:
        """Only with the verifier of the challenge that the code was asked with, and for the same address."""
        row = self.state.take_code(form.get("code", ""))
        if row is None or row["redirect_uri"] != form.get("redirect_uri"):
            return None
        if oauth.challenge(form.get("code_verifier", "")) != row["challenge"]:
            return None
        return self.state.grant(row["email"], life_s=life_s)

    def _told(self, person: Person) -> dict[str, Any]:
        workouts = [
            {"id": key, "name": raw["workoutName"], "sport": raw["sport"].lower(), "updated": raw["updatedDate"]}
            for key, raw in person["workouts"].items()
        ]
        names = {row["id"]: row["name"] for row in workouts}
        calendar = [
            {"id": key, "on": row["date"], "name": names[str(row["workoutId"])]}
            for key, row in person["schedules"].items()
        ]
        return {
            "name": person["name"], "email": person["email"], "password": "", "mfa": False, "code": "", "codes": [],
            "fault": self.fault_of(person["email"]), "activities": len(person["activities"]),
            "workouts": workouts, "calendar": sorted(calendar, key=lambda row: row["on"]),
        }  # fmt: skip


def _problem(fields: Mapping[str, str]) -> Answer | None:
    """Why nobody is asked: the partner is unknown, proves nothing, or would be sent to a foreign address."""
    fine = (
        fields.get("client_id") == CLIENT_ID,
        may_send_to(fields.get("redirect_uri", "")),
        fields.get("response_type") == "code",
        len(fields.get("code_challenge", "")) == 43 and fields.get("code_challenge_method") == "S256",
    )
    return None if all(fine) else Answer(400, {"error": "invalid_request"})
