"""From fresh tokens to a working connection: nothing is active before a call with them has told whose account it is."""

from typing import NoReturn

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from accounts import audit
from accounts.models import AuditEntry, User
from integrations import credentials, errors, events
from integrations.client import client_for
from integrations.models import Connection, ConnectSession, Credential
from integrations.records import AccountRecord
from integrations.services import backfilling, cooldowns, scheduling
from integrations.spec import Capability, Grant

ACCOUNT_TAKEN = "account_taken"
OTHER_ACCOUNT = "other_account"
State = Connection.Status


def complete(session: ConnectSession, grant: Grant) -> None:
    """Make the connection active, or leave nothing behind and raise an IntegrationError.

    Tokens are stored before any other work, since they exist once. ConflictError when the account is another person's
    connection, or not the one to reconnect.
    """
    connection = _connection_for(session)
    if not session.hold(connection=connection):
        _stop_late()
    kind = Credential.Kind.OAUTH2 if session.is_consent else Credential.Kind.SESSION
    stored = credentials.store(connection, grant, kind=kind)
    try:
        account = client_for(connection, direction="connect").account()
        _activate(session, connection, account, scopes=list(grant.scopes))
    except errors.IntegrationError as exc:
        _drop(connection, stored, exc.code)
        raise


def check(connection_id: int) -> None:
    """Let a paused connection go on when its login still works. Safe to run twice."""
    waiting = Connection.objects.filter(pk=connection_id, status=State.PAUSED, status_reason=Connection.CHECKING)
    connection = waiting.select_related("user", "provider").first()
    if connection is None:
        return
    try:
        client_for(connection, direction="connect").account()
    except errors.AuthenticationError as exc:
        _needs_login(connection, exc.code)
    except errors.IntegrationError as exc:
        connection.move(State.PAUSED, only_from=[State.PAUSED], reason=exc.code, last_error_at=Now())
    else:
        _go_on(connection)


def _connection_for(session: ConnectSession) -> Connection:
    """The one to reconnect, or a pending one."""
    connection, _ = Connection.objects.live().get_or_create(user=session.user, provider=session.provider)
    if connection.status not in (State.PENDING, State.NEEDS_REAUTH):
        _stop_late()
    return connection


@transaction.atomic
def _activate(session: ConnectSession, connection: Connection, account: AccountRecord, *, scopes: list[str]) -> None:
    User.objects.select_for_update(no_key=True).get(pk=session.user_id)  # two at once would both become the first
    known = connection.external_account_id
    if known and known != account.external_id:
        raise errors.ConflictError("This is another account than before.", code=OTHER_ACCOUNT)
    connection.scopes = scopes  # what it can be used for depends on them
    try:
        with transaction.atomic():
            moved = connection.move(
                State.ACTIVE,
                only_from=[State.PENDING, State.NEEDS_REAUTH],
                external_account_id=account.external_id,
                external_name=account.name[:120],
                scopes=scopes,
                delivers=connection.delivers or _is_first_writer(connection),
                last_ok_at=Now(),
                notified_reauth_at=None,
            )
    except IntegrityError:
        raise errors.ConflictError("The account is connected to another person.", code=ACCOUNT_TAKEN) from None
    if not moved or not session.move(ConnectSession.Status.DONE, only_from=ConnectSession.AT_WORK, error_code=""):
        _stop_late()
    cooldowns.forgive(session.provider, session.account_key)
    _start(connection)
    audit.record("connection.activated", connection, actor=session.user, again=bool(known))


def _start(connection: Connection) -> None:
    """Its streams are due now, its past comes behind them, and whoever waits for it hears that it is active."""
    scheduling.add_streams(connection)
    for stream in connection.streams.all():
        backfilling.begin(stream)
    events.publish("connection.activated", connection, connection=connection)


@transaction.atomic
def _go_on(connection: Connection) -> None:
    if connection.move(State.ACTIVE, only_from=[State.PAUSED], last_ok_at=Now()):
        _start(connection)
        audit.record("connection.resumed", connection)


@transaction.atomic
def _needs_login(connection: Connection, reason: str) -> None:
    if connection.move(State.NEEDS_REAUTH, only_from=[State.PAUSED], reason=reason):
        audit.record("connection.needs_reauth", connection, level=AuditEntry.Level.SECURITY, reason=reason)
        events.publish("connection.needs_reauth", connection, connection=connection, reason=reason)


def _is_first_writer(connection: Connection) -> bool:
    """Whether deliveries go here from now on: the person's first connection that can take them."""
    targets = Connection.objects.live().filter(user_id=connection.user_id, delivers=True)
    return connection.can(Capability.WORKOUTS_WRITE) and not targets.exists()


def _drop(connection: Connection, stored: Credential, reason: str) -> None:
    """Leave no token behind. What a later login has stored meanwhile stays."""
    with transaction.atomic():
        if Credential.objects.select_for_update().filter(pk=stored.pk, version=stored.version).exists():
            credentials.erase(connection)
            connection.move(State.DISCONNECTED, only_from=[State.PENDING], reason=reason)


def _stop_late() -> NoReturn:
    """The session ended while its worker was busy: whoever ended it has told the person."""
    raise errors.IntegrationError("the login ended meanwhile", code="superseded")
