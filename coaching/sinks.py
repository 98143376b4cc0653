"""What the library does with workouts that a sync brings. Everything here runs inside the page's transaction."""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import date

from django.db.models.functions import Now
from django.utils import timezone

from coaching.models import Workout, WorkoutRevision
from coaching.revisions import revision_of
from integrations.models import Connection
from integrations.records import WorkoutRecord
from integrations.sinks import Changes

STAMPED = ["current", "external_version", "gone_at", "updated_at"]


class WorkoutSink:
    """Keeps a coach's library in step with one connection: a change makes a revision, a loss makes a mark."""

    def adopt(self, connection: Connection) -> None:
        """Who disconnects, keeps the library and connects the account again has each workout once."""
        same = {"user": connection.user_id, "provider": connection.provider_id}
        ended = Connection.objects.filter(**same, status=Connection.Status.DISCONNECTED).exclude(pk=connection.pk)
        earlier = ended.filter(external_account_id=connection.external_account_id)
        Workout.objects.filter(source__in=earlier).update(source=connection)

    def known(self, connection: Connection, external_ids: Sequence[str]) -> Mapping[str, str]:
        """Version stamps of what is stored and not marked as gone."""
        stored = Workout.objects.filter(source=connection, external_id__in=external_ids, gone_at=None)
        return dict(stored.exclude(current=None).values_list("external_id", "external_version"))

    def upsert(self, connection: Connection, records: Sequence[WorkoutRecord]) -> Changes:
        """A new revision where the content differs from the current one; as many statements for any page."""
        wanted = {record.external_id: record for record in records}
        hashes = {key: record.content_hash() for key, record in wanted.items()}
        stored = _locked(connection, wanted)
        changed = [w for w in stored if w.current is None or w.current.content_hash != hashes[w.external_id]]
        restamped = [w for w in stored if w.gone_at or w.external_version != wanted[w.external_id].version]
        missing = sorted(wanted.keys() - {workout.external_id for workout in stored})
        created = [Workout(owner=connection.user, source=connection, external_id=key) for key in missing]
        Workout.objects.bulk_create(created)
        revised = [*created, *changed]
        revisions = [_revision(workout, wanted, hashes) for workout in revised]
        for workout, revision in zip(revised, WorkoutRevision.objects.bulk_create(revisions), strict=True):
            workout.current, workout.updated_at = revision, timezone.now()
        _stamp({*revised, *restamped}, wanted)
        return Changes(len(created), len(changed), len(stored) - len(changed))

    def missing(
        self,
        connection: Connection,
        seen: Container[str],
        *,
        since: date | None = None,  # noqa: ARG002 - a library has no days
        until: date | None = None,  # noqa: ARG002
    ) -> tuple[set[str], int]:
        """(ids that `seen` lacks, number of all live rows)."""
        live = _live(connection)
        return {external_id for external_id in live if external_id not in seen}, len(live)

    def sweep(
        self, connection: Connection, seen: Container[str], *, since: date | None = None, until: date | None = None
    ) -> int:
        """Mark as gone what `seen` lacks; the mark goes when the workout is seen again."""
        missing, _ = self.missing(connection, seen, since=since, until=until)
        gone = Workout.objects.filter(source=connection, external_id__in=missing)
        locked = list(gone.order_by("external_id").select_for_update(no_key=True).values_list("pk", flat=True))
        return Workout.objects.filter(pk__in=locked).update(gone_at=Now())


def _locked(connection: Connection, external_ids: Iterable[str]) -> list[Workout]:
    """What is stored of a page, in the one order in which everybody locks; revisions as they are under the lock."""
    stored = Workout.objects.filter(source=connection, external_id__in=external_ids).order_by("external_id")
    return list(stored.select_for_update(no_key=True).prefetch_related("current"))


def _live(connection: Connection) -> set[str]:
    return set(Workout.objects.filter(source=connection, gone_at=None).values_list("external_id", flat=True))


def _revision(workout: Workout, wanted: Mapping[str, WorkoutRecord], hashes: Mapping[str, str]) -> WorkoutRevision:
    return revision_of(workout, wanted[workout.external_id], content_hash=hashes[workout.external_id])


def _stamp(workouts: Iterable[Workout], wanted: Mapping[str, WorkoutRecord]) -> None:
    touched = sorted(workouts, key=lambda workout: workout.external_id)
    for workout in touched:
        workout.external_version, workout.gone_at = wanted[workout.external_id].version, None
    Workout.objects.bulk_update(touched, STAMPED)
