"""A visible place in the queue for what waits until a provider may be called again."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import QuerySet
from django.utils.translation import gettext

from integrations import health
from integrations.models import Provider, SyncJob

MOST = 1000  # nobody is told more, and nothing more is counted


@dataclass(frozen=True, slots=True)
class Place:
    """`number` is None behind the first thousand; `total` stops there, too."""

    number: int | None
    total: int

    @property
    def words(self) -> str:
        if self.number is None:
            return gettext("In the queue, behind %(n)s others") % {"n": intcomma(MOST)}
        total = f"{intcomma(MOST)}+" if self.total > MOST else intcomma(self.total)
        return gettext("In the queue, place %(n)s of %(total)s") % {"n": intcomma(self.number), "total": total}


def is_held(provider: Provider, direction: str) -> bool:
    """Whether what waits has to wait for the provider, not only for its turn."""
    return health.summary(provider).services[direction].status != health.OPERATIONAL


def places(rows: "QuerySet[Any]", wanted: Collection[int]) -> dict[int, Place]:
    """Of the rows `wanted`, by primary key: where each stands among `rows`, oldest first. One query."""
    queue = list(rows.order_by("pk").values_list("pk", flat=True)[: MOST + 1])
    numbers = {pk: number for number, pk in enumerate(queue[:MOST], start=1)}
    return {pk: Place(numbers.get(pk), len(queue)) for pk in wanted}


def place_of_sync(job: SyncJob, provider: Provider) -> Place | None:
    """None while the provider may be read from: the job's turn comes in a moment."""
    if job.status != SyncJob.Status.QUEUED or not is_held(provider, "sync"):
        return None
    waiting = SyncJob.objects.filter(status=SyncJob.Status.QUEUED, stream__connection__provider=provider)
    return places(waiting, [job.pk])[job.pk]
