"""This app's part of what is known of a person: the accounts he connected. Their secrets are nobody's to read."""

from collections.abc import Iterator, Mapping

from django.utils.translation import gettext_noop

from accounts import privacy
from accounts.models import User
from integrations.models import Connection, ConnectSession, Credential, DomainEvent, SyncJob, SyncStream
from integrations.services import connecting

CONNECTION = [
    "public_id",
    "provider__slug",
    "status",
    "status_changed_at",
    "external_account_id",
    "external_name",
    "scopes",
    "created_at",
    "last_ok_at",
]
STREAM = ["connection__public_id", "resource", "last_attempt_at", "last_success_at", "last_new_item_at"]


def _export(user: User) -> Iterator[privacy.Rows]:
    yield privacy.Rows("connections.json", Connection.objects.for_user(user).order_by("pk").values(*CONNECTION))
    streams = SyncStream.objects.filter(connection__user=user).order_by("pk")
    yield privacy.Rows("streams.json", streams.values(*STREAM))


def _begin(user: User) -> None:
    """Each provider is told that we are no longer allowed to anything."""
    for connection in Connection.objects.live().for_user(user).select_related("provider", "user"):
        connecting.disconnect(connection, actor=user, purge=True)


def _is_ready(user: User) -> bool:
    """A sealed login is kept until its provider was told."""
    return not Credential.objects.filter(connection__user=user).exists()


def _erase(user: User) -> Mapping[str, int]:
    own = Connection.objects.filter(user=user)
    return {
        gettext_noop("logins that no provider confirmed the end of"): privacy.delete(
            Credential.objects.filter(connection__in=own)
        ),
        gettext_noop("logins in progress"): privacy.delete(ConnectSession.objects.filter(user=user)),
        gettext_noop("sync runs"): privacy.delete(SyncJob.objects.filter(stream__connection__in=own)),
        gettext_noop("streams"): privacy.delete(SyncStream.objects.filter(connection__in=own)),
        gettext_noop("events"): privacy.delete(DomainEvent.objects.filter(connection__in=own)),
        gettext_noop("connections"): own.update(external_account_id="", external_name="", scopes=[]),
    }


privacy.register(privacy.Part("connections", _export, _erase, begin=_begin, is_ready=_is_ready))
