"""The sandbox's people: what they ticked, what they recorded and when it came, what was put there, and tokens."""

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from integrations.providers.garmin_partner.sandbox import summaries
from integrations.sandbox import Store
from integrations.sandbox.oauth import OAuthState

SLUG = "garmin_partner"
CLIENT_ID, CLIENT_SECRET = "20002-partner", "sandbox-partner-secret"
TOKEN_LIFE_S, REFRESH_LIFE_S = 86_400, 7_775_998
FIRST_ACTIVITY = 22_000_000_000
FIRST_WORKOUT, FIRST_SCHEDULE = 1_500_000_000, 600_000_000
OLDER_DAYS = 80
PERMISSIONS = {
    "ACTIVITY_EXPORT": "Activities",
    "WORKOUT_IMPORT": "Workouts",
    "HISTORICAL_DATA_EXPORT": "Historical data",
}
OFF_AT_FIRST = "HISTORICAL_DATA_EXPORT"
NAMES = [
    ("coach", "Carla Coach"),
    ("athlete1", "Ada Athlete"),
    ("athlete2", "Ben Breeze"),
    ("athlete3", "Chen Wei"),
    ("athlete4", "Dana Dunes"),
    ("athlete5", "Elif Ebru"),
    ("athlete6", "Finn Fjord"),
]

type Person = dict[str, Any]
type Raw = dict[str, Any]


class State(OAuthState):
    """What they ticked stands beside the tokens: each call is held to it."""

    slug = SLUG
    life_s = TOKEN_LIFE_S
    token_bytes = 24

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.portal = store.section(SLUG, "portal")  # {"url", "mode"}: what the partner entered
        if not self.people:
            for name, words in NAMES:
                self.add(f"{name}@sandbox.example", words)
            store.save()

    def add(self, email: str, name: str) -> Person:
        person: Person = {
            "email": email, "name": name, "user": uuid5(NAMESPACE_DNS, email).hex, "permissions": [],
            "workouts": {}, "schedules": {}, "activities": [], "backfilled": [],
        }  # fmt: skip
        self.people[email] = person
        now = datetime.now(UTC).replace(minute=5, second=0, microsecond=0)
        for days in range(OLDER_DAYS, 0, -2):
            self.record(person, (now - timedelta(days=days)).replace(hour=6))
        return person

    def record(self, person: Person, start: datetime, *, uploaded: datetime | None = None) -> Raw:
        """An activity that reached Garmin at `uploaded`, two hours after its start where nothing is said."""
        made = summaries.one(person["user"], self.next_id("activity", FIRST_ACTIVITY), start)
        came = uploaded or start + timedelta(hours=2)
        person["activities"].append({"summary": made, "uploaded": int(came.timestamp())})
        person["activities"].sort(key=lambda row: row["uploaded"])
        return made

    def uploaded(self, person: Person, first: int, last: int) -> list[Raw]:
        return [row["summary"] for row in person["activities"] if first <= row["uploaded"] <= last]

    def recorded(self, person: Person, first: int, last: int) -> list[Raw]:
        rows = [row["summary"] for row in person["activities"]]
        return [row for row in rows if first <= row["startTimeInSeconds"] <= last]

    def put_workout(self, person: Person, raw: Raw, *, ours: bool = True) -> Raw:
        """A new workout, or another content of one that is there; the server sets its numbers and dates itself."""
        number = int(raw.get("workoutId") or self.next_id("workout", FIRST_WORKOUT))
        before = person["workouts"].get(str(number), {})
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
        stored = raw | {
            "workoutId": number, "ownerId": int(person["user"][:7], 16),
            "createdDate": before.get("createdDate", now), "updatedDate": now, "ours": before.get("ours", ours),
        }  # fmt: skip
        person["workouts"][str(number)] = stored
        self.store.save()
        return stored

    def drop_workout(self, person: Person, key: str) -> None:
        """Its days on the calendar go with it. KeyError."""
        del person["workouts"][key]
        for entry in [entry for entry, row in person["schedules"].items() if str(row["workoutId"]) == key]:
            del person["schedules"][entry]
        self.store.save()

    def put_schedule(self, person: Person, workout: str, on: str) -> Raw:
        number = self.next_id("schedule", FIRST_SCHEDULE)
        entry = {"workoutScheduleId": number, "workoutId": int(workout), "date": on}
        person["schedules"][str(number)] = entry
        self.store.save()
        return entry

    def code_for(self, person: Person, redirect_uri: str, permissions: Iterable[str], challenge: str) -> str:
        """The person said yes: what he ticked stands from now on."""
        person["permissions"] = [name for name in PERMISSIONS if name in set(permissions)]
        return self.keep_code({"email": person["email"], "redirect_uri": redirect_uri, "challenge": challenge})

    def grant(self, email: str, *, family: str = "", life_s: float = TOKEN_LIFE_S) -> Raw:
        access, refresh, _ = self.keep_pair({"email": email}, family=family, life_s=life_s)
        return {
            "access_token": access, "token_type": "bearer", "expires_in": int(life_s), "refresh_token": refresh,
            "refresh_token_expires_in": REFRESH_LIFE_S, "jti": secrets.token_hex(8),
            "scope": "PARTNER_WRITE PARTNER_READ CONNECT_READ CONNECT_WRITE",
        }  # fmt: skip

    def renew(self, row: Raw, *, life_s: float) -> Raw:
        return self.grant(row["email"], family=row["family"], life_s=life_s)

    def deregister(self, email: str) -> None:
        """The registration ends, from either side; what was put into the account stays there."""
        self.people[email]["permissions"] = []
        self.people[email]["backfilled"] = []
        self.drop_tokens(lambda row: row["email"] == email)
