"""Logging in to Garmin Connect through `garminconnect`, which carries the TLS impersonation the real site demands.

Only its mobile strategies run, once per user action. What happened is judged by the answers' status: the library's
exceptions do not tell a block from an outage.
"""

import base64
import binascii
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from curl_cffi.requests.exceptions import RequestException as CurlError
from garminconnect.client import Client, sso
from garminconnect.exceptions import (
    GarminConnectAuthenticationError,
    GarminConnectConnectionError,
    GarminConnectTooManyRequestsError,
)

from integrations import errors
from integrations.providers.garmin.adapter import APP_HEADERS
from integrations.spec import Challenge, Gateway, Grant

SLUG = "garmin"
TOKEN_PATH = "/di-oauth2-service/oauth/token"
OTHER_STRATEGIES = frozenset({"widget+cffi", "portal+cffi", "portal+requests"})
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
LET_IN, CAPTCHA, OVER = "SUCCESSFUL", "CAPTCHA_REQUIRED", "SESSION_EXPIRED"
PAUSES = {name: vars(sso)[name] for name in ("MOBILE_DELAY_MIN_S", "MOBILE_DELAY_MAX_S")}

logging.getLogger("garminconnect").setLevel(logging.CRITICAL)  # its lines quote answers

_one_login = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is kept of one answer: its status, Garmin's word for it, and how long it asks to wait."""

    status: int
    word: str = ""
    retry_after: float | None = None

    @property
    def is_block(self) -> bool:
        return self.status in {403, 427, 429} or self.word in {"429", CAPTCHA}


@dataclass(slots=True)
class _Seen:
    """The answers of one login, in their order; `unreachable` when the last request got none."""

    answers: list[_Answer] = field(default_factory=list)
    unreachable: bool = False

    def watch(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            response = call(*args, **kwargs)
        except (CurlError, requests.RequestException):
            self.unreachable = True
            raise
        self.unreachable = False
        wait = errors.parse_retry_after(response.headers.get("Retry-After"))
        self.answers.append(_Answer(response.status_code, _word(response), wait))
        return response

    @property
    def last(self) -> _Answer:
        return self.answers[-1] if self.answers else _Answer(0)

    @property
    def was_let_in(self) -> bool:
        return any(answer.word == LET_IN for answer in self.answers)


class _Watched:
    """A library session whose answers are seen."""

    def __init__(self, session: Any, seen: _Seen) -> None:
        self._session, self._seen = session, seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._seen.watch(self._session.get, *args, **kwargs)

    def post(self, *args: Any, **kwargs: Any) -> Any:
        return self._seen.watch(self._session.post, *args, **kwargs)


def _word(response: Any) -> str:
    """`responseStatus.type`, or the status that Garmin hides in a body."""
    try:
        body = response.json()
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    status, error = body.get("responseStatus"), body.get("error")
    if isinstance(status, dict) and status.get("type"):
        return str(status["type"])
    return str(error.get("status-code", "")) if isinstance(error, dict) else ""


class _Client(Client):
    """The library's client, pointed at our base URLs, with the answers to its login seen."""

    def __init__(self, base_urls: Mapping[str, str]) -> None:
        super().__init__(verify_login=False)  # activation reads the profile; a refusal there must not log in anew
        self.seen = _Seen()
        self.skip_strategies = set(OTHER_STRATEGIES)
        self._sso, self._connect = base_urls["sso"], base_urls["connect"]
        self._connectapi = base_urls["api"]
        self._di_token_url = base_urls["token"] + TOKEN_PATH

    def _do_mobile_login(self, sess: Any, email: str, password: str) -> None:
        super()._do_mobile_login(_Watched(sess, self.seen), email, password)

    def _complete_mfa(self, mfa_code: str) -> None:
        self._mfa_session = _Watched(self._mfa_session, self.seen)
        super()._complete_mfa(mfa_code)

    def _establish_session(self, ticket: str, sess: Any = None, service_url: str | None = None) -> None:  # noqa: ARG002
        """Tokens or nothing: the library would fetch a cookie from a host that is none of our base URLs.

        Then it would send the password again, though that was accepted; only this exception keeps it from that.
        """
        try:
            self._exchange_service_ticket(ticket, service_url=service_url)
        except (GarminConnectConnectionError, GarminConnectTooManyRequestsError, CurlError, requests.RequestException):
            raise GarminConnectAuthenticationError("no tokens for the ticket") from None

    def _http_post(self, url: str, **kwargs: Any) -> Any:
        return self.seen.watch(super()._http_post, url, **kwargs)


class Login:
    """Interactive login and renewal. Begin and answer take from the login buckets; nothing is tried twice by itself."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def begin(self, values: Mapping[str, str]) -> Grant | Challenge:
        client = _Client(self.gateway.base_urls)
        with self.gateway.guard("login"), _paused_as(self.gateway.base_urls["sso"]), _explained(client.seen):
            state = client.login(values["email"], values["password"], return_on_mfa=True)
        if state[0] == "needs_mfa":
            return Challenge(state[1], method=str(state[1].get("method") or ""))
        return _grant_of(client)

    def answer(self, state: Mapping[str, Any], code: str) -> Grant | Challenge:
        client = _Client(self.gateway.base_urls)
        with _explained(client.seen, wrong=errors.CodeRefused):
            client.resume_login(dict(state), code)
        return _grant_of(client)

    def renew(self, secrets: Mapping[str, str]) -> Grant:
        client_id = secrets["di_client_id"]
        basic = base64.b64encode(f"{client_id}:".encode()).decode()
        form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": secrets["di_refresh_token"]}
        headers = APP_HEADERS | {"Authorization": f"Basic {basic}"}
        try:
            answer = self.gateway.request(
                "POST", TOKEN_PATH, base="token", operation="renew", idempotent=False, data=form, headers=headers
            ).data
        except (errors.ValidationError, errors.AuthenticationError) as exc:
            if exc.context.get("provider_code") != "invalid_grant":
                raise
            raise errors.AuthenticationError(provider=SLUG, code="invalid_grant", status=exc.status) from None
        if not (isinstance(answer, dict) and answer.get("access_token")):
            raise errors.DataError("garmin renewed the login in an unknown shape", provider=SLUG)
        refresh = str(answer.get("refresh_token") or secrets["di_refresh_token"])
        return _grant(str(answer["access_token"]), refresh, client_id)


@contextmanager
def _explained(seen: _Seen, wrong: type[errors.IntegrationError] = errors.LoginRefused) -> Iterator[None]:
    """Turn the library's exceptions into ours, chained to nothing: their texts may quote what was sent."""
    try:
        yield
    except (
        GarminConnectAuthenticationError,
        GarminConnectConnectionError,
        GarminConnectTooManyRequestsError,
        CurlError,
        requests.RequestException,
    ) as exc:
        refused = isinstance(exc, GarminConnectAuthenticationError) and not seen.was_let_in
        raise _reason(seen, wrong if refused else None) from None


def _reason(seen: _Seen, wrong: type[errors.IntegrationError] | None) -> errors.IntegrationError:
    """What the answers say; a plain refusal counts before what its repetition elsewhere was answered."""
    refusal = next((answer for answer in seen.answers if answer.word and not answer.is_block), None)
    if wrong and refusal and refusal.word != OVER:
        return wrong(provider=SLUG, status=seen.last.status)
    if wrong is errors.CodeRefused and refusal:
        return errors.AuthenticationError(provider=SLUG, code="challenge_over", status=seen.last.status)
    if blocked := next((answer for answer in reversed(seen.answers) if answer.is_block), None):
        return _blocked(blocked)
    if seen.unreachable:
        return errors.ConnectionError(provider=SLUG)
    if seen.last.status >= 500:
        return errors.ServerError(provider=SLUG, status=seen.last.status)
    if seen.was_let_in:
        return errors.ServerError("garmin gave no tokens", provider=SLUG, code="no_tokens", status=seen.last.status)
    if wrong and not seen.answers:
        return wrong(provider=SLUG)  # the library knows by itself that the waiting login is over
    return errors.DataError("garmin answered the login in an unknown way", provider=SLUG, status=seen.last.status)


def _blocked(answer: _Answer) -> errors.LoginBlocked:
    code = "login_rate_limited"
    if answer.word == CAPTCHA:
        code = "captcha"
    elif answer.status == 403:
        code = "login_blocked"
    return errors.LoginBlocked(provider=SLUG, code=code, status=answer.status, retry_after=answer.retry_after)


@contextmanager
def _paused_as(sso_url: str) -> Iterator[None]:
    """The library pauses 2 to 5 s before it sends a password; a loopback address waits nowhere.

    One login at a time and process, so that a real login never runs with a sandbox's pauses.
    """
    with _one_login:
        local = urlsplit(sso_url).hostname in LOOPBACK
        vars(sso).update(dict.fromkeys(PAUSES, 0.0) if local else PAUSES)
        try:
            yield
        finally:
            vars(sso).update(PAUSES)


def _grant_of(client: Any) -> Grant:
    if not (client.di_token and client.di_refresh_token and client.di_client_id):
        raise errors.DataError("garmin logged in without giving tokens", provider=SLUG, code="no_tokens")
    return _grant(client.di_token, client.di_refresh_token, client.di_client_id)


def _grant(token: str, refresh_token: str, client_id: str) -> Grant:
    payload = _payload(token)
    secrets = {
        "di_token": token,
        "di_refresh_token": refresh_token,
        "di_client_id": str(payload.get("client_id") or client_id),
    }
    return Grant(secrets, _end(payload.get("exp")))


def _end(claim: Any) -> datetime | None:
    """A JWT's `exp`; None when it is no point in time."""
    try:
        return datetime.fromtimestamp(claim, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _payload(token: str) -> dict[str, Any]:
    """A JWT's claims, unverified: we only read when it ends and whose it is; Garmin verifies it."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError, binascii.Error):
        raise errors.DataError("garmin's token is no JWT", provider=SLUG) from None
    return claims if isinstance(claims, dict) else {}
