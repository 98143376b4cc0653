"""P2: what is taken away counts at once, also for what was queued while it was allowed."""

from django.utils import timezone

from coaching.models import CoachingLink, DeliveryStatus
from tests.coaching.world import Account, accepted, easy_run, run

QUEUED = 100


def test_of_a_hundred_queued_deliveries_none_leaves_once_the_link_has_ended(
    link: CoachingLink, account: Account
) -> None:
    """Ended in the rows alone, so that each run has to look for itself."""
    deliveries = [accepted(link, easy_run(f"Run {number}")) for number in range(QUEUED)]
    CoachingLink.objects.filter(pk=link.pk).update(status="ended", ended_at=timezone.now())
    assert {run(delivery).status for delivery in deliveries} == {DeliveryStatus.CANCELLED}
    assert account.calls() == 0
    assert account.holds() == (0, 0)
