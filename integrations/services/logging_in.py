"""The worker's side of connecting: the one place that hands a password or a code to a provider, each exactly once.

A code is a second factor that was typed here, or what a person brought back from the provider's own page.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEntry
from integrations import credentials, errors, logins, oauth, vault
from integrations.models import Connection, ConnectSession
from integrations.services import activating, cooldowns
from integrations.spec import Challenge, Grant, Login
from integrations.timing import seconds, timing

log = structlog.get_logger(__name__)

CONFLICTS = {activating.ACCOUNT_TAKEN, activating.OTHER_ACCOUNT}
CODE_REFUSED = "code_refused"
NAMED = CONFLICTS | {oauth.MISSING_SCOPE, CODE_REFUSED}  # errors whose own code says enough
Status = ConnectSession.Status
# What a failure is called in the session, by the first class that fits; `explanations` has the words.
CODES: tuple[tuple[tuple[type[errors.IntegrationError], ...], str], ...] = (
    ((errors.LoginRefused,), "wrong_credentials"),
    ((errors.LoginBlocked,), "login_blocked"),
    ((errors.RateLimitError, errors.ThrottledError), "throttled"),
    ((errors.ConnectionError, errors.TimeoutError, errors.ServerError, errors.CircuitOpenError), "unreachable"),
    ((errors.IntegrationDisabled,), "disabled"),
    ((errors.DataError, errors.ResourceError, errors.ValidationError), "unreadable"),
    ((errors.ConfigurationError,), "not_set_up"),
    ((errors.AuthenticationError, errors.AuthorizationError), "refused"),
)
PASSING = (errors.ConnectionError, errors.TimeoutError, errors.ServerError, errors.CircuitOpenError)


def work(session_id: int) -> None:
    """Log in. Safe to run twice: the run that claims the session works, and none ever repeats a login."""
    session = ConnectSession.objects.take(session_id, waiting=Status.QUEUED, working=Status.WORKING)
    if session is None:
        return
    if cooldowns.standing(session.provider, session.account_key):
        _end(session, cooldowns.COOLING_DOWN)
        return
    _run(session, partial(_begin, session))


def check_code(session_id: int) -> None:
    """Finish a login with its code, in whichever process. Safe to run twice."""
    session = ConnectSession.objects.take(session_id, waiting=Status.CHECKING, working=Status.CHECKING)
    if session is not None:
        _run(session, partial(_exchange if session.is_consent else _answer, session))


def tidy() -> int:
    """End what nobody acts on any more, and forget old attempts. Returns how many rows it touched."""
    ended = ConnectSession.objects.end_lapsed()
    for connection in Connection.objects.abandoned():
        credentials.erase(connection)
        ended += connection.move(
            Connection.Status.DISCONNECTED, only_from=[Connection.Status.PENDING], reason="not_finished"
        )
    old = Now() - seconds(timing().connect_sessions_kept_s)
    return ended + ConnectSession.objects.filter(consumed_at__lt=old).delete()[0]


def _begin(session: ConnectSession) -> None:
    values = vault.open_json(session.sealed, **session.place)
    try:
        outcome = _login(session).begin(values)
    except errors.ThrottledError:
        _wait_for_its_turn(session, Status.QUEUED)
    else:
        _follow(session, outcome)


def _answer(session: ConnectSession) -> None:
    waiting = vault.open_json(session.sealed, **session.place)
    code = waiting.pop("code")
    try:
        outcome = _login(session).answer(waiting["state"], code)
    except errors.CodeRefused:
        _ask_again(session, waiting, "wrong_code")
    except errors.ThrottledError:
        _wait_for_its_turn(session, Status.CHECKING)
    except PASSING:
        _ask_again(session, waiting, "unreachable")
    except errors.AuthenticationError:
        _end(session, "challenge_over")
    else:
        _follow(session, outcome)


def _exchange(session: ConnectSession) -> None:
    """The code that came with a callback. Whatever happens, it is sent once."""
    waiting = vault.open_json(session.sealed, **session.place)
    login, slug = logins.oauth_login_for(session.provider), session.provider.slug
    try:
        grant = login.exchange(waiting["code"], redirect_uri=waiting["redirect_uri"], verifier=waiting["verifier"])
    except errors.ThrottledError:
        _wait_for_its_turn(session, Status.CHECKING)
        return
    except errors.AuthenticationError:
        raise errors.AuthenticationError(code=CODE_REFUSED, provider=slug) from None
    scopes = grant.scopes or oauth.scopes_of(waiting["told"])
    oauth.check_scopes(scopes, waiting["asked"], provider=slug)
    activating.complete(session, replace(grant, scopes=scopes))


def _follow(session: ConnectSession, outcome: Grant | Challenge) -> None:
    if isinstance(outcome, Grant):
        activating.complete(session, outcome)
        return
    session.move(
        Status.NEEDS_CODE,
        only_from=ConnectSession.AT_WORK,
        sealed=vault.seal_json({"state": outcome.state}, **session.place),
        method=outcome.method[:16],
        code_attempts=0,
        error_code="",
        expires_at=timezone.now() + seconds(timing().connect_session_s),
    )


def _wait_for_its_turn(session: ConnectSession, status: str) -> None:
    """Our own pacing stopped it before the provider was called: no try is lost, a tick brings it back."""
    session.move(
        status, only_from=ConnectSession.AT_WORK, sealed=session.sealed, queued_at=Now(), error_code="throttled"
    )


def _ask_again(session: ConnectSession, waiting: dict[str, Any], reason: str) -> None:
    """The provider still waits for a code, within the ten minutes that the first question gave."""
    if session.code_attempts >= ConnectSession.MOST_CODES:
        _end(session, "too_many_codes")
        return
    sealed = vault.seal_json(waiting, **session.place)
    session.move(Status.NEEDS_CODE, only_from=ConnectSession.AT_WORK, sealed=sealed, error_code=reason)


def _run(session: ConnectSession, step: Callable[[], None]) -> None:
    try:
        step()
    except errors.IntegrationError as exc:
        with transaction.atomic():
            _end(session, _code_for(session, exc))


def _code_for(session: ConnectSession, exc: errors.IntegrationError) -> str:
    """What to call the failure, counting what the account must wait for."""
    if exc.code in NAMED:
        return exc.code
    code = next((name for kinds, name in CODES if isinstance(exc, kinds)), "unexpected")
    if code == "wrong_credentials":
        left = cooldowns.count_wrong_password(session.provider, session.account_key)
        return code if left else cooldowns.TOO_MANY_WRONG
    if code == "login_blocked":
        reason = "captcha" if exc.code == "captcha" else code
        cooldowns.block(session.provider, session.account_key, reason=reason, retry_after=exc.retry_after)
        return reason
    return code


def _end(session: ConnectSession, code: str) -> None:
    if session.move(Status.FAILED, only_from=ConnectSession.AT_WORK, error_code=code):
        audit.record(
            "connection.login_failed",
            session,
            actor=session.user,
            outcome=AuditEntry.Outcome.FAILURE,
            level=AuditEntry.Level.SECURITY if code in CONFLICTS else AuditEntry.Level.NORMAL,
            provider=session.provider.slug,
            code=code,
        )
        log.info("login_failed", provider=session.provider.slug, session=str(session.public_id), error_code=code)


def _login(session: ConnectSession) -> Login:
    return logins.password_login_for(session.provider)
