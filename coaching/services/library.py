"""What a coach does with the library itself; its content comes from syncs."""

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from accounts import audit
from accounts.models import User
from coaching.models import Share, Workout
from integrations.models import Connection


@transaction.atomic
def purge(connection: Connection) -> None:
    """Remove what came from an account. What athletes were offered stays for them, outside the library. Safe twice."""
    workouts = Workout.objects.filter(source=connection)
    offered = Exists(Share.objects.filter(workout=OuterRef("pk")))
    workouts.filter(offered).update(source=None, external_id="", archived_at=Coalesce("archived_at", Now()))
    workouts.delete()


@transaction.atomic
def archive(workout: Workout, *, by: User) -> bool:
    """Take it out of the library; offers, deliveries and syncs go on. Safe to run twice: the first time counts."""
    now = timezone.now()
    archived = Workout.objects.filter(pk=workout.pk, archived_at=None).update(archived_at=now, updated_at=now)
    if archived:
        audit.record("workout.archived", workout, actor=by)
    return bool(archived)
