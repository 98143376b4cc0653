"""The sandbox's accounts: who they are, what they own, their codes and their tokens."""

import base64
import json
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.providers.garmin.sandbox import activities, library, shapes
from integrations.sandbox import Store

SLUG = "garmin"
PASSWORD = "sandbox-only"
TOKEN_LIFE_S = 3600
SHORT_LIFE_S = 2
REFRESH_LIFE_S = 30 * 86400
CODE_LIFE_S = 1800
LOGIN_LIFE_S = 3600
CODES_KEPT = 5
FIRST_DAY = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
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
        self.tokens = store.section(SLUG, "tokens")  # access token → {"email", "family", "exp"}
        self.refreshes = store.section(SLUG, "refreshes")  # refresh token → the same, "client" and "used"
        self.tickets = store.section(SLUG, "tickets")  # service ticket → {"email", "service", "exp"}
        self.sessions = store.section(SLUG, "sessions")  # login cookie → {"email", "code", "service", "exp"}
        self.counters = store.section(SLUG, "counters")
        if not self.people:
            for number, (email, name, mfa) in enumerate(PEOPLE, start=1):
                self.add(email, name=name, mfa=mfa, number=number)
            store.save()

    def add(self, email: str, *, name: str, mfa: bool, number: int = 0, workouts: int | None = None) -> dict[str, Any]:
        """A new account with a library of its own."""
        number = number or len(self.people) + 1
        person: dict[str, Any] = {
            "email": email, "name": name, "password": PASSWORD, "mfa": mfa, "codes": [], "profile": 4_200_000 + number,
            "workouts": {}, "schedules": {}, "activities": activities.past(number),
        }  # fmt: skip
        self.people[email] = person
        for index, raw in enumerate(library.workouts(number, workouts)):
            self.put_workout(person, raw, at=FIRST_DAY + timedelta(days=3 * index, minutes=17 * number))
        return person

    def put_workout(self, person: dict[str, Any], raw: dict[str, Any], *, at: datetime | None = None) -> dict[str, Any]:
        """Keep a posted workout as the real server would answer it; every call makes a new one."""
        identity = self.next_id("workout", 900_000_000)
        stored = self.expanded(person, raw, identity, at=at)
        person["workouts"][str(identity)] = stored
        return stored

    def expanded(
        self, person: dict[str, Any], raw: dict[str, Any], identity: int, *, at: datetime | None = None
    ) -> dict[str, Any]:
        def step_id() -> int:
            return self.next_id("step", 12_000_000_000)

        return shapes.expand(raw, identity=identity, person=person, at=at or datetime.now(UTC), step_id=step_id)

    def drop_workout(self, person: dict[str, Any], key: str) -> None:
        """Its calendar entries go with it. KeyError when it is not there."""
        del person["workouts"][key]
        for entry in [k for k, row in person["schedules"].items() if row["workoutId"] == key]:
            del person["schedules"][entry]

    def next_id(self, kind: str, first: int) -> int:
        value = int(self.counters.get(kind, first)) + 1
        self.counters[kind] = value
        return value

    def new_session(self) -> str:
        """A login begins: the cookie that its next steps must bring."""
        _forget_old(self.sessions)
        cookie = secrets.token_hex(16)
        self.sessions[cookie] = {"exp": time.time() + LOGIN_LIFE_S}
        return cookie

    def send_code(self, session: dict[str, Any], person: dict[str, Any]) -> None:
        """ "Mail" a new code for this login; the page shows it. An earlier code of the same login is void."""
        code = f"{secrets.randbelow(1_000_000):06d}"
        session["code"] = code
        person["codes"] = [{"code": code, "at": time.time(), "used": False}, *person["codes"]][:CODES_KEPT]
        self.store.save()

    def take_code(self, session: dict[str, Any], code: str) -> bool:
        """Whether it is this login's code; it works once. A wrong one leaves the login as it is."""
        person = self.people[session["email"]]
        live = [row for row in self.live_codes(person) if row["code"] == session.get("code")]
        if not live or not secrets.compare_digest(code.encode(), live[0]["code"].encode()):
            return False
        live[0]["used"] = True
        session["code"] = ""
        self.store.save()
        return True

    def live_codes(self, person: dict[str, Any]) -> list[dict[str, Any]]:
        """Unused and not too old, the newest first."""
        return [row for row in person["codes"] if not row["used"] and row["at"] > time.time() - CODE_LIFE_S]

    def ticket_for(self, email: str, service: str) -> str:
        _forget_old(self.tickets)
        ticket = f"ST-{secrets.token_hex(12)}-sso"
        self.tickets[ticket] = {"email": email, "service": service, "exp": time.time() + LOGIN_LIFE_S}
        return ticket

    def grant(self, email: str, client_id: str, *, family: str = "", life_s: float = TOKEN_LIFE_S) -> dict[str, Any]:
        """A new pair of tokens; the refresh token works once, its family dies when one is used twice."""
        _forget_old(self.tokens)
        _forget_old(self.refreshes)
        now = time.time()
        family = family or secrets.token_hex(8)
        claims = {"iat": int(now), "exp": int(now + life_s), "client_id": client_id, "jti": secrets.token_hex(8)}
        access = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}.{secrets.token_urlsafe(16)}"
        refresh = secrets.token_urlsafe(32)
        owner = {"email": email, "family": family}
        self.tokens[access] = owner | {"exp": claims["exp"]}
        self.refreshes[refresh] = owner | {"client": client_id, "used": False, "exp": now + REFRESH_LIFE_S}
        self.store.save()
        return {
            "access_token": access, "token_type": "Bearer", "expires_in": int(life_s),
            "scope": "CONNECT_READ CONNECT_WRITE", "refresh_token": refresh, "refresh_token_expires_in": REFRESH_LIFE_S,
        }  # fmt: skip

    def live_token(self, access: str) -> dict[str, Any] | None:
        row: dict[str, Any] | None = self.tokens.get(access)
        return row if row and row["exp"] > time.time() else None

    def revoke(self, email: str, *, family: str = "") -> None:
        """Kill all tokens of an account, or those of one family: of one login and its renewals."""
        _forget(self.refreshes, email, family)
        self.expire(email, family=family)

    def expire(self, email: str, *, family: str = "") -> None:
        """Let the access tokens of an account, or of one family, run out now; the refresh tokens stay good."""
        _forget(self.tokens, email, family)
        self.store.save()


def _forget(rows: dict[str, Any], email: str, family: str) -> None:
    for key in [k for k, row in rows.items() if row["email"] == email and family in {"", row["family"]}]:
        del rows[key]


def _forget_old(rows: dict[str, Any]) -> None:
    """Access tokens, tickets and logins that ran out are as unknown as if they had never been."""
    for key in [k for k, row in rows.items() if row["exp"] <= time.time()]:
        del rows[key]


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
