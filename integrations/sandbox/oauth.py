"""The codes and tokens of a provider that people let applications in by: good once, rotated, and over at last."""

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from integrations.sandbox.kit import OwnFault, Sandbox
from integrations.sandbox.messages import Answer, Request
from integrations.sandbox.store import Store

CODE_LIFE_S = 600
SHORT_LIFE_S = 2

type Row = dict[str, Any]


def token_faults(path: str) -> dict[str, OwnFault]:
    """Of the service at `path`, which stands below the base "token"."""
    return {
        "token-503": OwnFault("The token service answers 503", ("/token/",)),
        "token-odd": OwnFault("The token service forgets the refresh token", (path,)),
        "token-text": OwnFault("The token service gives expires_in as a text", (path,)),
        "short-token": OwnFault(f"Access tokens live {SHORT_LIFE_S} seconds", (path,)),
    }


class OAuthState(ABC):
    """People by email, and what they granted. Everything is JSON-able and lives in the store, ids included."""

    slug: ClassVar[str]
    life_s: ClassVar[float]  # of an access token
    token_bytes: ClassVar[int] = 20

    def __init__(self, store: Store) -> None:
        self.store = store
        self.people = store.section(self.slug, "accounts")
        self.codes = store.section(self.slug, "codes")  # code → {"email", "redirect_uri", "challenge", "exp", ..}
        self.tokens = store.section(self.slug, "tokens")  # access token → {"email", "family", "exp", ..}
        self.refreshes = store.section(self.slug, "refreshes")  # refresh token → {"email", "family", "used", ..}
        self.counters = store.section(self.slug, "counters")

    @abstractmethod
    def renew(self, row: Row, *, life_s: float) -> Row:
        """A new pair for whom the refresh token's row tells of, as the provider words it."""

    def next_id(self, kind: str, first: int) -> int:
        value = int(self.counters.get(kind, first)) + 1
        self.counters[kind] = value
        return value

    def keep_code(self, about: Row) -> str:
        code = secrets.token_hex(20)
        self.codes[code] = about | {"exp": time.time() + CODE_LIFE_S}
        self.store.save()
        return code

    def take_code(self, code: str) -> Row | None:
        """Good once, and for ten minutes."""
        row: Row | None = self.codes.pop(code, None)
        self.store.save()
        return row if row and row["exp"] > time.time() else None

    def keep_pair(self, owner: Row, *, family: str, life_s: float) -> tuple[str, str, float]:
        """A new access token, its refresh token, and when the first is over."""
        kept = owner | {"family": family or secrets.token_hex(8)}
        access, refresh = secrets.token_hex(self.token_bytes), secrets.token_hex(self.token_bytes)
        end = time.time() + life_s
        self.tokens[access] = kept | {"exp": end}
        self.refreshes[refresh] = kept | {"used": False}
        self.store.save()
        return access, refresh, end

    def rotate(self, refresh: str, *, life_s: float) -> Row | None:
        """A refresh token is good once; when one comes a second time, its whole family dies."""
        row = self.refreshes.get(refresh)
        if row is None:
            return None
        if row["used"]:
            self.drop_tokens(lambda held: held["family"] == row["family"])
            return None
        row["used"] = True
        return self.renew(row, life_s=life_s)

    def live_token(self, access: str) -> Row | None:
        row: Row | None = self.tokens.get(access)
        return row if row and row["exp"] > time.time() else None

    def expire(self, email: str) -> None:
        for row in self.tokens.values():
            if row["email"] == email:
                row["exp"] = 0
        self.store.save()

    def drop_tokens(self, belongs: Callable[[Row], bool]) -> None:
        for table in (self.tokens, self.refreshes):
            for key in [key for key, row in table.items() if belongs(row)]:
                del table[key]
        self.store.save()


class OAuthSandbox(Sandbox):
    """A sandbox whose API is asked with access tokens. Those are given for a code, or for a refresh token."""

    state: OAuthState
    odd_expiry: ClassVar[str]  # what the fault "token-text" says

    @abstractmethod
    def for_code(self, form: Mapping[str, str], life_s: float) -> Row | None:
        """The first pair; None when the code proves nothing."""

    def token_of(self, request: Request) -> Row | None:
        return self.state.live_token(request.headers.get("authorization", "").removeprefix("Bearer "))

    def asker(self, request: Request) -> Row:
        row = self.token_of(request)
        if row is None:  # refuse() let it in a moment ago: the token ran out since
            raise ValueError("token")
        found: Row = self.state.people[row["email"]]
        return found

    def is_client(self, form: Mapping[str, str]) -> bool:
        return (form.get("client_id"), form.get("client_secret")) == self.client

    def new_tokens(self, request: Request) -> Answer | None:
        """With the faults of the token service; None when what was sent is good for nothing."""
        if request.suffers("token-503"):
            return Answer(503, {"message": "Service Unavailable"})
        form, life_s = request.form(), SHORT_LIFE_S if request.suffers("short-token") else self.state.life_s
        if form.get("grant_type") == "authorization_code":
            given = self.for_code(form, life_s)
        else:
            given = self.state.rotate(form.get("refresh_token", ""), life_s=life_s)
        if given is None:
            return None
        if request.suffers("token-odd"):
            del given["refresh_token"]
        if request.suffers("token-text"):
            given["expires_in"] = self.odd_expiry
        return Answer(data=given)
