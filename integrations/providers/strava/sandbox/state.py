"""The sandbox's athletes: who they are, what they recorded, what they allowed, and the tokens that came of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.providers.strava.sandbox import activities
from integrations.sandbox import Store
from integrations.sandbox.oauth import OAuthState, Row

SLUG = "strava"
CLIENT_ID, CLIENT_SECRET = "10001", "sandbox-strava-client"
TOKEN_LIFE_S = 6 * 3600
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


class State(OAuthState):
    """What is granted holds its "scopes" as well."""

    slug = SLUG
    life_s = TOKEN_LIFE_S

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.subscriptions = store.section(SLUG, "subscriptions")  # id → {"callback_url", "verify_token"}
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

    def code_for(self, person: Person, redirect_uri: str, scopes: list[str], challenge: str) -> str:
        about = {"email": person["email"], "redirect_uri": redirect_uri, "scopes": scopes, "challenge": challenge}
        return self.keep_code(about)

    def grant(self, owner: Row, *, family: str = "", life_s: float = TOKEN_LIFE_S) -> Row:
        kept = {"email": owner["email"], "scopes": owner["scopes"]}
        access, refresh, end = self.keep_pair(kept, family=family, life_s=life_s)
        return {
            "token_type": "Bearer", "access_token": access, "refresh_token": refresh,
            "expires_at": int(end), "expires_in": int(life_s), "scope": " ".join(owner["scopes"]),
        }  # fmt: skip

    def renew(self, row: Row, *, life_s: float) -> Row:
        return self.grant(row, family=row["family"], life_s=life_s)

    def deauthorize(self, email: str) -> None:
        """The athlete takes back his yes, or we gave it back: all tokens end at once."""
        self.drop_tokens(lambda row: row["email"] == email)

    def is_allowed(self, email: str) -> bool:
        """Whether the athlete's yes stands."""
        return any(row["email"] == email and not row["used"] for row in self.refreshes.values())
