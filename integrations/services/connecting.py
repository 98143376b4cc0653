"""What a person does with a connection: begin to connect, enter the code, pause, resume, disconnect.

Nothing here calls a provider; `logging_in` does that in a worker. The session row carries the input there, sealed.
"""

import secrets
from collections.abc import Mapping
from hashlib import sha256

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from accounts import audit
from accounts.models import User
from integrations import bell, control, credentials, errors, events, logins, tasks, vault
from integrations.models import Connection, ConnectSession, Provider, SyncJob, SyncStream
from integrations.registry import spec_for
from integrations.services import cooldowns
from integrations.spec import Capability
from integrations.timing import seconds, timing

ALREADY_CONNECTED = "already_connected"

Session = ConnectSession.Status
State = Connection.Status


def begin(user: User, provider: Provider, values: Mapping[str, str]) -> ConnectSession:
    """Have a worker log in with the connect form's `values`, once: a new connection, or the lost login of the old one.

    A login that is already under way is returned instead. An account that cools down gives a session that has failed
    already, and no call. Raises IntegrationDisabled, and ConflictError where the person is connected.
    """
    refuse_when_closed(provider, user)
    own = ConnectSession.objects.for_user(user).filter(provider=provider)
    own.end_lapsed()
    if running := own.open().first():
        return running
    connection = to_reconnect(user, provider)
    session = _drafted(user, provider, values)
    session.connection = connection
    if cooldowns.standing(provider, session.account_key):
        return own.filter(account_key=session.account_key, status=Session.FAILED).last() or _refused(session)
    session.sealed = vault.seal_json(values, **session.place)
    return _queued(session)


def refuse_when_closed(provider: Provider, user: User) -> None:
    """Raises IntegrationDisabled while nobody, or not this person, may connect."""
    if refused := control.refusal(provider, "connect", user.pk):
        raise control.disabled(provider, refused)


def to_reconnect(user: User, provider: Provider) -> Connection | None:
    """The connection whose login is to be had again, None for a new one. ConflictError where all is well with it."""
    connection = Connection.objects.live().for_user(user).filter(provider=provider).first()
    if connection and connection.status in (State.ACTIVE, State.PAUSED):
        raise errors.ConflictError(
            _("This account is connected already."), code=ALREADY_CONNECTED, provider=provider.slug
        )
    return connection


def submit_code(session: ConnectSession, code: str) -> bool:
    """Have a worker finish the login with the second factor. False: the session waits for none, or no longer."""
    if session.is_consent or session.status != Session.NEEDS_CODE or session.code_attempts >= ConnectSession.MOST_CODES:
        return False
    waiting = vault.open_json(session.sealed, **session.place)
    answered = vault.seal_json(waiting | {"code": code}, **session.place)
    live = ConnectSession.objects.open().filter(pk=session.pk, sealed=session.sealed, status=Session.NEEDS_CODE)
    taken = live.update(
        status=Session.CHECKING,
        sealed=answered,
        error_code="",
        code_attempts=F("code_attempts") + 1,
        queued_at=Now(),
    )
    if taken:
        bell.ring(tasks.submit_code, session.pk)
    return bool(taken)


def give_up(session: ConnectSession) -> bool:
    """The person starts over. Not while a worker talks to the provider: that login cannot be called back."""
    return session.move(Session.FAILED, only_from=[Session.QUEUED, Session.NEEDS_CODE], error_code="cancelled")


@transaction.atomic
def pause(connection: Connection, *, actor: User) -> bool:
    """Stop all calls until resumed. Safe to run twice."""
    paused = connection.move(State.PAUSED, only_from=[State.ACTIVE, State.NEEDS_REAUTH])
    if paused:
        _cancel_syncs(connection)
        audit.record("connection.paused", connection, actor=actor)
    return paused


@transaction.atomic
def resume(connection: Connection, *, actor: User) -> bool:
    """Have a worker try whether the login still works; the connection goes on only when it does."""
    asked = connection.move(State.PAUSED, only_from=[State.PAUSED], reason=Connection.CHECKING)
    if asked:
        audit.record("connection.resume_asked", connection, actor=actor)
        bell.ring(tasks.check_connection, connection.pk)
    return asked


@transaction.atomic
def disconnect(connection: Connection, *, actor: User | None, purge: bool) -> bool:
    """End it for good: the secrets are erased, nothing queued happens any more. Safe to run twice.

    What came from it stays, or goes with `purge`: the domain hears it in the event. Where deliveries went to it, they
    go to another account of the person from now on.
    """
    User.objects.select_for_update(no_key=True).get(pk=connection.user_id)  # activating may look for the default, too
    reason = "by_owner" if actor == connection.user else "by_operations"
    took_deliveries = Connection.objects.filter(pk=connection.pk, delivers=True).exists()
    ended = connection.move(State.DISCONNECTED, only_from=Connection.LIVE, reason=reason, delivers=False)
    if ended:
        _end_login(connection)
        for session in ConnectSession.objects.filter(connection=connection, consumed_at=None):
            session.move(Session.FAILED, only_from=ConnectSession.OPEN, error_code="disconnected")
        SyncStream.objects.filter(connection=connection).update(enabled=False)
        _cancel_syncs(connection)
        if took_deliveries:
            _hand_over(connection, actor)
        events.publish("connection.disconnected", connection, connection=connection, purge=purge)
        audit.record("connection.disconnected", connection, actor=actor, purge=purge)
    return ended


def _end_login(connection: Connection) -> None:
    """Erased at once; where the provider lets us end it there, nobody uses it from now on and a worker tells it first.

    A pending connection's tokens may be another login to an account that is connected elsewhere: those are not revoked.
    """
    if connection.external_account_id and logins.can_be_revoked(connection.provider):
        bell.ring(tasks.say_goodbye, connection.pk)
    else:
        credentials.erase(connection)


def _drafted(user: User, provider: Provider, values: Mapping[str, str]) -> ConnectSession:
    account = values[spec_for(provider.slug).account_credential]
    return ConnectSession(
        user=user,
        provider=provider,
        kind=ConnectSession.Kind.PASSWORD,
        state_hash=sha256(secrets.token_bytes(32)).hexdigest(),
        account_key=cooldowns.account_key(provider, account),
        account_hint=cooldowns.hint(account),
        expires_at=timezone.now() + seconds(timing().connect_session_s),
    )


def _refused(session: ConnectSession) -> ConnectSession:
    session.status = Session.FAILED
    session.error_code = cooldowns.COOLING_DOWN
    session.consumed_at = timezone.now()
    session.save()
    return session


def _queued(session: ConnectSession) -> ConnectSession:
    """The database lets one login per person and provider be open: who comes second gets the first one's."""
    try:
        with transaction.atomic():
            session.save()
    except IntegrityError:
        return ConnectSession.objects.for_user(session.user).filter(provider=session.provider).latest("pk")
    audit.record("connection.login_begun", session, actor=session.user, provider=session.provider.slug)
    bell.ring(tasks.log_in, session.pk)
    return session


def _cancel_syncs(connection: Connection) -> None:
    """By subquery: in the guarded UPDATE a run that ends just now is judged anew, and stays as it ended."""
    SyncJob.objects.filter(stream__in=SyncStream.objects.filter(connection=connection)).cancel()


def _hand_over(connection: Connection, actor: User | None) -> None:
    """Deliveries go to the person's next account that takes workouts: one that works before one that waits."""
    others = Connection.objects.live().filter(user=connection.user_id).exclude(status=State.PENDING)
    writers = [other for other in others.select_related("provider") if other.can(Capability.WORKOUTS_WRITE)]
    heir = min(writers, key=lambda other: (other.status != State.ACTIVE, other.pk), default=None)
    if heir and Connection.objects.live().filter(pk=heir.pk).update(delivers=True):
        audit.record("connection.delivers", heir, actor=actor, instead_of=str(connection.public_id))
