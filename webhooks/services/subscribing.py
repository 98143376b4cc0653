"""The subscription by which a provider sends to an endpoint, for providers that make one by a call. For operations.

Each step asks the provider first and notes what it says: safe to repeat, whatever got lost in between.
"""

from collections.abc import Sequence

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from accounts import audit
from accounts.models import AuditEntry, User
from integrations import errors, logins, registry
from integrations.spec import Subscription
from webhooks import endpoints
from webhooks.models import WebhookEndpoint
from webhooks.services import securing

NUMBER = "subscription_id"  # in the endpoint's registration


class NotSubscribed(Exception):
    """It was not done; the message says why, in words for operations."""


def is_offered(endpoint: WebhookEndpoint) -> bool:
    specs = registry.specs()
    return endpoint.provider.slug in specs and specs[endpoint.provider.slug].subscribes


def address_of(endpoint: WebhookEndpoint) -> str:
    """Where the provider sends to."""
    kwargs = {"slug": endpoint.provider.slug, "token": endpoint.token}
    return settings.SITE_URL.rstrip("/") + reverse("webhooks:receive", kwargs=kwargs)


def look(endpoint: WebhookEndpoint) -> Sequence[Subscription]:
    """What stands at the provider. Raises NotSubscribed when it could not be asked."""
    try:
        return logins.subscriptions_for(endpoint.provider).present()
    except errors.IntegrationError as exc:
        raise NotSubscribed(_words(exc)) from None


def subscribe(endpoint: WebhookEndpoint, *, by: User, reason: str) -> int:
    """Have the provider send here. One that does already is noted, not made anew. Returns its number.

    The provider shakes hands with the endpoint in between, with its newest secret; without one it gets one.
    """
    address = address_of(endpoint)
    for there in look(endpoint):
        if there.callback_url != address:
            raise NotSubscribed(
                f"Subscription {there.id} leads to another address, {_host_of(there.callback_url)}. End it first."
            )
        return _note(endpoint, there.id, "found", by=by, reason=reason)
    try:
        number = logins.subscriptions_for(endpoint.provider).create(address, _token_of(endpoint))
    except errors.ValidationError:
        raise NotSubscribed(
            f"{endpoint.provider} did not take the address. It must be reachable from the internet as "
            f"{settings.SITE_URL} and answer the handshake within two seconds."
        ) from None
    except errors.IntegrationError as exc:
        raise NotSubscribed(_words(exc)) from None
    return _note(endpoint, number, "subscribed", by=by, reason=reason)


def unsubscribe(endpoint: WebhookEndpoint, number: int, *, by: User, reason: str) -> None:
    """Have the provider send no more, to whichever address it did. Raises NotSubscribed when it could not be told."""
    try:
        logins.subscriptions_for(endpoint.provider).delete(number)
    except errors.IntegrationError as exc:
        raise NotSubscribed(_words(exc)) from None
    _note(endpoint, number, "unsubscribed", by=by, reason=reason)


def _token_of(endpoint: WebhookEndpoint) -> str:
    newest = endpoint.secrets.live().select_related("endpoint__provider").order_by("-pk").first()
    return endpoints.reveal(newest) if newest else securing.rotate(endpoint)


@transaction.atomic
def _note(endpoint: WebhookEndpoint, number: int, what: str, *, by: User, reason: str) -> int:
    row = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    kept = {name: value for name, value in row.registration.items() if (name, value) != (NUMBER, number)}
    row.registration = kept if what == "unsubscribed" else {**kept, NUMBER: number}
    row.save(update_fields=["registration"])
    audit.record(
        f"webhookendpoint.subscription_{what}", row, actor=by, level=AuditEntry.Level.SECURITY,
        reason=reason, subscription=number, by="operations",
    )  # fmt: skip
    endpoint.registration = row.registration
    endpoints.drop(endpoint.provider.slug, endpoint.token)
    return number


def _words(exc: errors.IntegrationError) -> str:
    return exc.message if exc.message == exc.advice else f"{exc.advice} ({exc.message})"


def _host_of(url: str) -> str:
    """An address holds a token that proves the sender; its host is enough to know whose it is."""
    return url.partition("://")[2].partition("/")[0] or "no address"
