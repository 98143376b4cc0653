"""Where copies stand that wait until their provider may be called again."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from django import template
from django.db.models import Q

from coaching.models import Delivery, DeliveryStatus, Share
from coaching.services.targeting import PROVIDER_PAUSED
from integrations import waiting
from integrations.models import Provider
from integrations.waiting import Place

register = template.Library()

FOR_PROVIDER = Q(status__in=Delivery.DUE) | Q(status=DeliveryStatus.BLOCKED, error_code=PROVIDER_PAUSED)


@register.simple_tag
def queue_places(shares: Iterable[Share]) -> Mapping[int, Place]:
    """By delivery; at most two queries and one more a provider that holds things up, however many shares."""
    ids = [share.delivery.pk for share in shares if share.delivery and _may_wait(share.delivery)]
    found: dict[int, Place] = {}
    if not ids:
        return found
    waits = Delivery.objects.filter(FOR_PROVIDER)
    by_provider: defaultdict[int, list[int]] = defaultdict(list)
    for pk, provider_id in waits.filter(pk__in=ids).values_list("pk", "connection__provider"):
        by_provider[provider_id].append(pk)
    for provider in Provider.objects.filter(pk__in=by_provider) if by_provider else ():
        if waiting.is_held(provider, "deliver"):
            queue = waits.filter(connection__provider=provider)
            found |= waiting.places(queue, by_provider[provider.pk])
    return found


@register.simple_tag
def queue_place(share: Share) -> Place | None:
    return next(iter(queue_places([share]).values()), None)


@register.filter
def of_share(places: Mapping[int, Place], share: Share) -> Place | None:
    return places.get(share.delivery.pk) if share.delivery else None


def _may_wait(delivery: Delivery) -> bool:
    """As `FOR_PROVIDER`, of a row at hand."""
    paused = delivery.status == DeliveryStatus.BLOCKED and delivery.error_code == PROVIDER_PAUSED
    return paused or delivery.status in Delivery.DUE
