"""Connecting where a person says yes at the provider itself: sent there with a state, back with a code, once.

The state is good for ten minutes, one person, one login session of his and one use; only a keyed hash of it is kept.
Nothing here calls a provider: `logging_in` exchanges the code in a worker, as it does with a password. So no web worker
ever waits for a provider, and a code is claimed by its row before it is sent.
"""

import re
import secrets
from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_noop as _

from accounts import audit
from accounts.models import AuditEntry, User
from integrations import bell, errors, gateways, logins, oauth, tasks, vault
from integrations.models import ConnectSession, Provider
from integrations.services import connecting
from integrations.timing import seconds, timing

UNDER_WAY = "under_way"
REFUSED, ODD = "consent_refused", "odd_callback"
LONGEST_SCOPE = 1_000
PARAMETERS = ("state", "code", "scope", "error")

_STATE = re.compile(r"[A-Za-z0-9_-]{43}")

Session = ConnectSession.Status


class BadCallback(Exception):
    """Somebody came back with what we did not send him away with; nothing was called."""


def new_binding() -> str:
    """A secret of the login session, which every state given to it is bound to."""
    return secrets.token_urlsafe(32)


def redirect_uri(provider: Provider) -> str:
    """The one address that operations register at the provider."""
    return settings.SITE_URL.rstrip("/") + reverse("integrations:callback", args=[provider.slug])


def depart(user: User, provider: Provider, *, binding: str) -> str:
    """Begin to connect; returns the provider's address to send the person to.

    An attempt whose person never came back is given up for the new one. Raises IntegrationDisabled, ConfigurationError,
    and ConflictError where the person is connected or a code is being exchanged at this moment.
    """
    connecting.refuse_when_closed(provider, user)
    client, scopes = logins.client_of(provider), logins.scopes_of(provider)
    own = ConnectSession.objects.for_user(user).filter(provider=provider)
    own.end_lapsed()
    if (running := own.open().first()) and not _give_up(running):
        raise _under_way(provider)
    state, endpoints = oauth.new_state(), logins.endpoints_of(provider)
    kept = {"verifier": oauth.new_verifier() if endpoints.pkce else "", "redirect_uri": redirect_uri(provider)}
    session = ConnectSession(
        user=user,
        provider=provider,
        connection=connecting.to_reconnect(user, provider),
        kind=ConnectSession.Kind.OAUTH,
        status=Session.NEEDS_CODE,
        state_hash=_hash(state, user, binding),
        expires_at=timezone.now() + seconds(timing().connect_session_s),
    )
    session.sealed = vault.seal_json({**kept, "asked": scopes}, **session.place)
    _save(session)
    return oauth.authorize_url(
        endpoints,
        base_url=gateways.settings_for(provider).base_urls["authorize"],
        client_id=client.id,
        scopes=scopes,
        state=state,
        **kept,
    )


def arrive(user: User, provider: Provider, query: Mapping[str, Sequence[str]], *, binding: str) -> ConnectSession:
    """The person is back: have a worker exchange the code, or end the attempt that he declined.

    Raises BadCallback for a state that is missing, foreign, used or too old, and for what no provider sends.
    """
    said = _read(query)
    session = _find(user, provider, said["state"], binding)
    if said["error"]:
        code = REFUSED if said["error"] == "access_denied" else ODD
        if not session.move(Session.FAILED, only_from=[Session.NEEDS_CODE], error_code=code):
            raise BadCallback
        return session
    if not oauth.is_code(said["code"]) or len(said["scope"]) > LONGEST_SCOPE:
        session.move(Session.FAILED, only_from=[Session.NEEDS_CODE], error_code=ODD)
        raise BadCallback
    return _accept(session, code=said["code"], told=said["scope"])


def _accept(session: ConnectSession, **said: str) -> ConnectSession:
    """The first to come with this state; from then on it is worth nothing."""
    waiting = vault.open_json(session.sealed, **session.place)
    live = ConnectSession.objects.open().filter(pk=session.pk, status=Session.NEEDS_CODE)
    taken = live.update(
        status=Session.CHECKING, sealed=vault.seal_json(waiting | said, **session.place), queued_at=Now()
    )
    if not taken:
        raise BadCallback
    bell.ring(tasks.submit_code, session.pk)
    return session


def _read(query: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What concerns us, each at most once; what else a provider adds is left alone."""
    if any(len(query.get(name, ())) > 1 for name in PARAMETERS):
        raise BadCallback
    return {name: query[name][0] if query.get(name) else "" for name in PARAMETERS}


def _find(user: User, provider: Provider, state: str, binding: str) -> ConnectSession:
    if not _STATE.fullmatch(state):
        raise BadCallback
    waiting = ConnectSession.objects.for_user(user).open().filter(provider=provider, status=Session.NEEDS_CODE)
    session = waiting.filter(kind=ConnectSession.Kind.OAUTH, state_hash=_hash(state, user, binding)).first()
    if session is None:
        raise BadCallback
    return session


def _hash(state: str, user: User, binding: str) -> str:
    """Without the login session that asked for it, a state is found by nobody."""
    return salted_hmac("integrations.oauth_state", f"{state}\0{user.pk}\0{binding}", algorithm="sha256").hexdigest()


def _give_up(running: ConnectSession) -> bool:
    return running.move(Session.FAILED, only_from=[Session.NEEDS_CODE], error_code="cancelled")


def _save(session: ConnectSession) -> None:
    """The database lets one attempt per person and provider be open."""
    try:
        with transaction.atomic():
            session.save()
    except IntegrityError:
        raise _under_way(session.provider) from None
    audit.record(
        "connection.consent_asked",
        session,
        actor=session.user,
        level=AuditEntry.Level.NORMAL,
        provider=session.provider.slug,
    )


def _under_way(provider: Provider) -> errors.ConflictError:
    return errors.ConflictError(
        _("You are connecting this account already, perhaps in another window."), code=UNDER_WAY, provider=provider.slug
    )
