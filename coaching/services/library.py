"""What a coach does with the library itself; its content comes from syncs, and from scripts."""

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from django.utils.translation import gettext

from accounts import audit
from accounts.models import User
from coaching.models import Share, Workout, WorkoutRevision
from coaching.revisions import revision_of
from integrations import errors
from integrations.models import Connection
from integrations.records import WorkoutRecord


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


@transaction.atomic
def create(owner: User, record: WorkoutRecord) -> Workout:
    """A workout that lives here only. `record` has passed `authoring.faults`."""
    workout = Workout.objects.create(owner=owner)
    _put(workout, record)
    audit.record("workout.created", workout, actor=owner)
    return workout


@transaction.atomic
def revise(workout: Workout, record: WorkoutRecord, *, by: User) -> WorkoutRevision:
    """Its next revision; the current one when nothing differs. Offers stay as they were until shared again.

    The caller holds the row. ConflictError for what a sync brings: it would be overwritten by the next one.
    """
    if workout.source_id is not None:
        words = gettext("This workout comes from a connected account. Change it there, and it follows by itself.")
        raise errors.ConflictError(words, code="synced")
    if workout.current and workout.current.content_hash == record.content_hash():
        return workout.current
    revision = _put(workout, record)
    audit.record("workout.revised", workout, actor=by, revision=revision.number)
    return revision


def _put(workout: Workout, record: WorkoutRecord) -> WorkoutRevision:
    revision = revision_of(workout, record, content_hash=record.content_hash())
    revision.save()
    workout.current = revision
    workout.save(update_fields=["current", "updated_at"])
    return revision
