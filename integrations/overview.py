"""What the connection pages show: one card per provider, and how long a person has to wait."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from accounts.models import User
from integrations import control, explanations, logins, registry
from integrations.control import Refusal
from integrations.explanations import Explanation
from integrations.gateways import settings_for
from integrations.models import Connection, ConnectSession, Provider, ProviderMode, Resource, SyncStream
from integrations.registry import spec_for
from integrations.services import cooldowns
from integrations.spec import Capability

HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Card:
    """One provider as the person sees it."""

    provider: Provider
    summary: str
    connection: Connection | None = None
    explanation: Explanation | None = None
    session: ConnectSession | None = None
    streams: list[SyncStream] = field(default_factory=list)
    does: list[str] = field(default_factory=list)
    policy: list[str] = field(default_factory=list)
    refusal: Refusal | None = None  # why it cannot be connected now


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person has to know of a provider he is connected with, on every page; `as_of`: how fresh his data is."""

    provider: Provider
    explanation: Explanation
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class Wait:
    """How long until something is over; a page asks again every `poll_s` seconds."""

    until: datetime
    left_s: int

    @property
    def words(self) -> str:
        hours, rest = divmod(self.left_s, HOUR_S)
        minutes, seconds = divmod(rest, 60)
        return f"{hours} h {minutes} min" if hours else f"{minutes}:{seconds:02} min"

    @property
    def poll_s(self) -> int:
        return 30 if self.left_s >= HOUR_S else 1


def notices_for(user: User) -> list[Notice]:
    """For the head of every page: at most two queries, and none of Redis for who is connected with nothing."""
    own = Connection.objects.live().for_user(user).filter(provider__slug__in=registry.specs())
    read_at = own.select_related("provider").annotate(read_at=Max("streams__last_success_at"))
    return [notice for each in read_at.order_by("pk") if (notice := _notice(each))]


@dataclass(frozen=True, slots=True)
class Consent:
    """What a provider will ask the person, and what his yes is good for."""

    asks: list[str]
    uses: list[str]
    policy: list[str]
    is_set_up: bool


def consent_of(provider: Provider) -> Consent:
    endpoints = logins.endpoints_of(provider)
    asks = [gettext(endpoints.words.get(scope, scope)) for scope in logins.scopes_of(provider)]
    uses = [gettext(sentence) for sentence in endpoints.uses]
    return Consent(asks, uses, _policy(provider), bool(provider.client_id and provider.client_secret))


def cards_for(user: User) -> list[Card]:
    """Every provider that can be connected, and those that are."""
    connections = {c.provider_id: c for c in Connection.objects.live().for_user(user).select_related("provider")}
    sessions = {s.provider_id: s for s in ConnectSession.objects.for_user(user).open()}
    known = Provider.objects.filter(slug__in=registry.specs())  # a row outlives its folder
    shown = [p for p in known if p.mode != ProviderMode.OFF or p.pk in connections]
    return [_card(user, provider, connections.get(provider.pk), sessions.get(provider.pk)) for provider in shown]


def streams_of(connection: Connection) -> list[SyncStream]:
    return list(connection.streams.filter(enabled=True).order_by("-resource"))


def wait_of(session: ConnectSession) -> Wait | None:
    """For the code, or until the account may log in again; None when nothing holds the person up."""
    if session.status == ConnectSession.Status.NEEDS_CODE and not session.is_consent:
        return _wait(session.expires_at)
    if session.status != ConnectSession.Status.FAILED:
        return None
    cooldown = cooldowns.standing(session.provider, session.account_key)
    return _wait(cooldown.until) if cooldown and cooldown.until else None


def latest_failure(user: User, provider: Provider) -> ConnectSession | None:
    """The person's last try, when it did not work."""
    latest = ConnectSession.objects.for_user(user).filter(provider=provider).select_related("provider").last()
    return latest if latest and latest.status == ConnectSession.Status.FAILED else None


def _wait(until: datetime) -> Wait | None:
    left_s = int((until - timezone.now()).total_seconds())
    return Wait(until, left_s) if left_s > 0 else None


def _notice(connection: Any) -> Notice | None:
    """`connection` knows when it was last read."""
    waits_for_login = connection.status in {Connection.Status.NEEDS_REAUTH, Connection.Status.PENDING}
    directions = ("sync", "deliver", "connect") if waits_for_login else ("sync", "deliver")
    explanation = explanations.of_provider(connection.provider, directions)
    if explanation is None:
        return None
    known = [at for at in (connection.last_ok_at, connection.read_at) if at]
    return Notice(connection.provider, explanation, max(known, default=None))


def _card(user: User, provider: Provider, connection: Connection | None, session: ConnectSession | None) -> Card:
    summary = gettext(spec_for(provider.slug).summary)
    if connection is None:
        refusal = control.refusal(provider, "connect", user.pk)
        return Card(provider, summary, session=session, refusal=refusal)
    streams = streams_of(connection)
    latest = next((job for stream in streams if (job := stream.latest_job)), None)
    return Card(
        provider,
        summary,
        connection,
        explanations.of_connection(connection, latest),
        session,
        streams,
        _does(connection, streams),
        _policy(provider),
    )


def _does(connection: Connection, streams: list[SyncStream]) -> list[str]:
    """What the connection is used for, in words."""
    read = {stream.resource for stream in streams}
    words = {
        gettext("Reads your workout library"): Resource.WORKOUTS in read,
        gettext("Reads the activities you record"): Resource.ACTIVITIES in read,
        gettext("Puts the workouts you import into your account"): connection.can(Capability.WORKOUTS_WRITE),
        gettext("Plans them on your calendar, so that they reach your watch"): connection.can(
            Capability.WORKOUTS_SCHEDULE
        ),
    }
    return [sentence for sentence, holds in words.items() if holds]


def _policy(provider: Provider) -> list[str]:
    """Who sees what comes from there, and how long it is kept."""
    policy = settings_for(provider).policy
    both = gettext("You see it, and your coaches as far as you allowed each.")
    seen = both if policy.visible_to_coach else gettext("Only you see it.")
    if days := policy.cache_days:
        return [seen, ngettext("It is kept for %(days)s day.", "It is kept for %(days)s days.", days) % {"days": days}]
    return [seen, gettext("It is kept until you disconnect and remove it.")]
