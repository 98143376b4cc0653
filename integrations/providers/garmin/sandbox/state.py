"""The sandbox's accounts and what is in them."""

import base64
import json
import secrets
import time
from typing import Any

from integrations.providers.garmin.sandbox import library
from integrations.sandbox import Store

SLUG = "garmin"
PASSWORD = "sandbox-only"
TOKEN_LIFE_S = 3600
SHORT_LIFE_S = 2
CODE_LIFE_S = 1800
PEOPLE = [
    ("coach@sandbox.example", "Carla Coach", True),
    ("athlete1@sandbox.example", "Ada Athlete", True),
    ("athlete2@sandbox.example", "Ben Breeze", False),
    ("athlete3@sandbox.example", "Chen Wei", False),
    ("athlete4@sandbox.example", "Dana Dunes", False),
    ("athlete5@sandbox.example", "Elif Ebru", False),
    ("athlete6@sandbox.example", "Finn Fjord", False),
]


class State:
    """Accounts by email. Everything is JSON-able and lives in the store, ids included."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.people = store.section(SLUG, "accounts")
        self.tokens = store.section(SLUG, "tokens")  # access token → email
        self.refreshes = store.section(SLUG, "refreshes")  # refresh token → {"email", "family", "used"}
        self.tickets = store.section(SLUG, "tickets")  # service ticket → email
        self.sessions = store.section(SLUG, "sessions")  # login cookie → {"email", ..}
        self.counters = store.section(SLUG, "counters")
        if not self.people:
            for number, (email, name, mfa) in enumerate(PEOPLE, start=1):
                self.add(email, name=name, mfa=mfa, number=number)
            store.save()

    def add(self, email: str, *, name: str, mfa: bool, number: int = 0, workouts: int = 66) -> dict[str, Any]:
        """A new account with a library of its own."""
        number = number or len(self.people) + 1
        person: dict[str, Any] = {
            "email": email, "name": name, "password": PASSWORD, "mfa": mfa, "code": "", "profile": 4_200_000 + number,
            "workouts": {}, "schedules": {}, "activities": library.activities(number),
        }  # fmt: skip
        self.people[email] = person
        for raw in library.workouts(number, workouts):
            self.put_workout(person, raw)
        return person

    def put_workout(self, person: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
        """Store a posted workout as the real server would answer it; every call makes a new one."""
        identity = self.next_id("workout", 900_000_000)
        stored = library.expand(
            raw, identity=identity, person=person, step_id=lambda: self.next_id("step", 12_000_000_000)
        )
        person["workouts"][str(identity)] = stored
        return stored

    def next_id(self, kind: str, first: int) -> int:
        value = int(self.counters.get(kind, first)) + 1
        self.counters[kind] = value
        return value

    def ticket_for(self, email: str) -> str:
        ticket = f"ST-{secrets.token_hex(12)}-sso"
        self.tickets[ticket] = email
        return ticket

    def grant(self, email: str, client_id: str, *, family: str = "", short: bool = False) -> dict[str, Any]:
        """A new pair of tokens; the refresh token works once, its family dies when one is used twice."""
        life = SHORT_LIFE_S if short else TOKEN_LIFE_S
        claims = {"exp": int(time.time()) + life, "client_id": client_id, "jti": secrets.token_hex(8)}
        access = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}.{secrets.token_urlsafe(16)}"
        refresh = secrets.token_urlsafe(32)
        self.tokens[access] = {"email": email, "exp": claims["exp"]}
        self.refreshes[refresh] = {"email": email, "family": family or secrets.token_hex(8), "used": False}
        self.store.save()
        return {
            "access_token": access, "token_type": "Bearer", "expires_in": life, "scope": "CONNECT_READ CONNECT_WRITE",
            "refresh_token": refresh, "refresh_token_expires_in": 2_592_000,
        }  # fmt: skip

    def revoke(self, email: str, *, family: str = "") -> None:
        """Kill every token of an account, or one family of refresh tokens with the account's access tokens."""
        for refresh in [
            r for r, row in self.refreshes.items() if row["email"] == email and family in {"", row["family"]}
        ]:
            del self.refreshes[refresh]
        self.expire(email)

    def expire(self, email: str) -> None:
        """Let the access tokens of an account run out now; its refresh tokens stay good."""
        for access in [a for a, row in self.tokens.items() if row["email"] == email]:
            del self.tokens[access]
        self.store.save()


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
