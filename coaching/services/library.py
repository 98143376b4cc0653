"""What a coach does with the library itself; its content comes from syncs."""

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from coaching.models import Workout


@transaction.atomic
def archive(workout: Workout, *, by: User) -> bool:
    """Take it out of the library; offers, deliveries and syncs go on. Safe to run twice: the first time counts."""
    now = timezone.now()
    archived = Workout.objects.filter(pk=workout.pk, archived_at=None).update(archived_at=now, updated_at=now)
    if archived:
        audit.record("workout.archived", workout, actor=by)
    return bool(archived)
