"""The sandbox's athletes: who they are, what they recorded, what they allowed, and the tokens that came of it."""

import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.providers.strava.sandbox import activities
from integrations.sandbox import Store

SLUG = "strava"
CLIENT_ID, CLIENT_SECRET = "10001", "sandbox-strava-client"
TOKEN_LIFE_S = 6 * 3600
SHORT_LIFE_S = 2
CODE_LIFE_S = 600
FIRST_ATHLETE = 7_300_000
FIRST_ACTIVITY = 15_000_000_000
PEOPLE = [
    ("coach@sandbox.example", "Carla", "Coach"),
    ("athlete1@sandbox.example", "Ada", "Athlete"),
    ("athlete2@sandbox.example", "Ben", "Breeze"),
    ("athlete3@sandbox.example", "Chen", "Wei"),
    ("athlete4@sandbox.example", "Dana", "Dunes"),
    ("athlete5@sandbox.example", "Elif", "Ebru"),
    ("athlete6@sandbox.example", "Finn", "Fjord"),
]

type Person = dict[str, Any]


class State:
    """Athletes by email. Everything is JSON-able and lives in the store, ids included."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.people = store.section(SLUG, "accounts")
        self.codes = store.section(SLUG, "codes")  # code → {"email", "redirect_uri", "scopes", "challenge", "exp"}
        self.tokens = store.section(SLUG, "tokens")  # access token → {"email", "family", "scopes", "exp"}
        self.refreshes = store.section(SLUG, "refreshes")  # refresh token → {"email", "family", "scopes", "used"}
        self.subscriptions = store.section(SLUG, "subscriptions")  # id → {"callback_url", "verify_token"}
        self.counters = store.section(SLUG, "counters")
        self.usage = store.section(SLUG, "usage")  # name of a window → calls in it
        if not self.people:
            for number, (email, first, last) in enumerate(PEOPLE, start=1):
                self.add(email, first, last, number)
            store.save()

    def add(self, email: str, first: str, last: str, number: int) -> Person:
        athlete = FIRST_ATHLETE + number
        person: Person = {"email": email, "first": first, "last": last, "id": athlete, "activities": []}
        self.people[email] = person
        for days in range(40, 0, -2):
            start = datetime.now(UTC).replace(hour=6 + number % 3, minute=5, second=0, microsecond=0)
            self.record(person, start - timedelta(days=days))
        return person

    def record(self, person: Person, start: datetime) -> dict[str, Any]:
        """An activity arrives, perhaps late; the listing puts the newest first."""
        identity = self.next_id("activity", FIRST_ACTIVITY)
        made = activities.one(person["id"], identity, start)
        rows = [made, *person["activities"]]
        person["activities"] = sorted(rows, key=lambda row: (row["start_date"], row["id"]), reverse=True)
        return made

    def next_id(self, kind: str, first: int) -> int:
        value = int(self.counters.get(kind, first)) + 1
        self.counters[kind] = value
        return value

    def code_for(self, person: Person, redirect_uri: str, scopes: list[str], challenge: str) -> str:
        code = secrets.token_hex(20)
        kept = {"email": person["email"], "redirect_uri": redirect_uri, "scopes": scopes, "challenge": challenge}
        self.codes[code] = kept | {"exp": time.time() + CODE_LIFE_S}
        self.store.save()
        return code

    def take_code(self, code: str) -> dict[str, Any] | None:
        """Good once, and for ten minutes."""
        row: dict[str, Any] | None = self.codes.pop(code, None)
        self.store.save()
        return row if row and row["exp"] > time.time() else None

    def grant(self, owner: dict[str, Any], *, family: str = "", life_s: float = TOKEN_LIFE_S) -> dict[str, Any]:
        """A new pair. The refresh token is good once; when one comes a second time, its whole family dies."""
        kept = {"email": owner["email"], "scopes": owner["scopes"], "family": family or secrets.token_hex(8)}
        access, refresh, end = secrets.token_hex(20), secrets.token_hex(20), time.time() + life_s
        self.tokens[access] = kept | {"exp": end}
        self.refreshes[refresh] = kept | {"used": False}
        self.store.save()
        return {
            "token_type": "Bearer", "access_token": access, "refresh_token": refresh,
            "expires_at": int(end), "expires_in": int(life_s), "scope": " ".join(owner["scopes"]),
        }  # fmt: skip

    def rotate(self, refresh: str, *, life_s: float) -> dict[str, Any] | None:
        row = self.refreshes.get(refresh)
        if row is None:
            return None
        if row["used"]:
            self.end_family(row["family"])
            return None
        row["used"] = True
        return self.grant(row, family=row["family"], life_s=life_s)

    def live_token(self, access: str) -> dict[str, Any] | None:
        row: dict[str, Any] | None = self.tokens.get(access)
        return row if row and row["exp"] > time.time() else None

    def end_family(self, family: str) -> None:
        self._drop(lambda row: row["family"] == family)

    def deauthorize(self, email: str) -> None:
        """The athlete takes back his yes, or we gave it back: all tokens end at once."""
        self._drop(lambda row: row["email"] == email)

    def expire(self, email: str) -> None:
        for row in self.tokens.values():
            if row["email"] == email:
                row["exp"] = 0
        self.store.save()

    def is_allowed(self, email: str) -> bool:
        """Whether the athlete's yes stands."""
        return any(row["email"] == email and not row["used"] for row in self.refreshes.values())

    def _drop(self, belongs: Any) -> None:
        for table in (self.tokens, self.refreshes):
            for key in [key for key, row in table.items() if belongs(row)]:
                del table[key]
        self.store.save()
