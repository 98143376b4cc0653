"""Files that athletes bring themselves: the way that works when no provider does."""

from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from accounts import audit
from accounts.models import User
from coaching import activity_sink
from coaching.activity_sink import Origin
from coaching.files import reading, thinning
from coaching.files.reading import Loose
from coaching.files.shapes import Budget, FileActivity, FileRefused
from coaching.models import Activity, ActivityDetail, ActivityFile, Match
from coaching.models.activity import FILE
from integrations.records import ActivityRecord, DetailsRecord

ID_LETTERS = 32  # of the hash: as good as the whole of it, and short enough for every list

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: an activity, new or already there, or the reason why not."""

    name: str
    activity: Activity | None = None
    is_new: bool = False
    problem: str = ""


def upload(athlete: User, name: str, content: bytes) -> list[Outcome]:
    """Store the activities in a file, or in a zip of files. The same file twice is the same activity.

    Raises FileRefused where nothing of it can be read at all.
    """
    budget = reading.budget_for(content)
    outcomes = list(_outcomes(athlete, name, content, budget))
    if len(outcomes) == 1 and outcomes[0].problem:
        raise FileRefused(outcomes[0].problem, code="one_file")
    return outcomes


def remove(file: ActivityFile, *, by: User) -> None:
    """Delete an upload with what was made of it; what a provider tells of the same session comes to light again."""
    stored, name = file.stored.storage, file.stored.name or ""
    with transaction.atomic():
        activity = Activity.objects.select_for_update(of=("self",)).filter(files=file, source=FILE).first()
        audit.record("activity.upload_deleted", file, actor=by, format=file.format)
        file.delete()
        if activity is not None:
            _delete(activity)
        transaction.on_commit(lambda: stored.delete(name))


def _delete(activity: Activity) -> None:
    merged = list(Activity.objects.filter(merged_into=activity).values_list("pk", "day"))
    Match.objects.filter(activity=activity).delete()
    activity.delete()
    days = {activity.day, *(day for _, day in merged)}
    activity_sink.announce(activity.athlete_id, [pk for pk, _ in merged], days)


def _outcomes(athlete: User, name: str, content: bytes, budget: Budget) -> Iterator[Outcome]:
    for loose in reading.files_in(name, content):
        try:
            yield _stored(athlete, loose, budget)
        except FileRefused as refused:
            log.info("upload_refused", reason=refused.code, bytes=len(loose.content))
            yield Outcome(loose.name, problem=refused.message)


def _stored(athlete: User, loose: Loose, budget: Budget) -> Outcome:
    if known := _known(athlete, loose):
        return Outcome(loose.name, known)
    found = reading.read(loose.content, budget)
    file = ActivityFile(
        athlete=athlete, name=loose.name, format=found.format, sha256=loose.sha256, bytes_n=len(loose.content)
    )
    file.stored.save(f"{file.public_id}.{found.format}", ContentFile(loose.content), save=False)
    is_kept = False
    try:
        activity = _recorded(athlete, file, found)
        is_kept = True
    except IntegrityError:  # the same file came a second time at the same moment
        return Outcome(loose.name, _known(athlete, loose))
    finally:
        if not is_kept:
            file.stored.storage.delete(file.stored.name or "")
    return Outcome(loose.name, activity, is_new=True)


@transaction.atomic
def _recorded(athlete: User, file: ActivityFile, found: FileActivity) -> Activity:
    record = _record(athlete, file, found)
    activity_sink.store(Origin(athlete.pk, FILE, file_hash=file.sha256), [record])
    activity = Activity.objects.get(athlete=athlete, source=FILE, external_id=record.external_id)
    file.activity = activity
    file.save()
    keep_details(activity, thinning.details_of(found.laps, found.points))
    return activity


def keep_details(activity: Activity, details: DetailsRecord) -> None:
    """Those of a file are the athlete's own, and stay."""
    shape = details.model_dump(mode="json", exclude={"laps"})
    laps = [lap.model_dump(mode="json", exclude_none=True) for lap in details.laps]
    ActivityDetail.objects.update_or_create(
        activity=activity, defaults={"laps": laps, "series": shape, "expires_at": None}
    )


def _known(athlete: User, loose: Loose) -> Activity | None:
    file = ActivityFile.objects.filter(athlete=athlete, sha256=loose.sha256).select_related("activity").first()
    return file.activity if file else None


def _record(athlete: User, file: ActivityFile, found: FileActivity) -> ActivityRecord:
    """A file that names no offset was most likely recorded where the athlete lives."""
    if found.started_at is None or found.duration_s is None:
        raise FileRefused(gettext("This file does not say when the activity was."), code="no_time")
    offset_s = found.utc_offset_s
    if offset_s is None:
        offset = found.started_at.astimezone(athlete.zone).utcoffset()
        offset_s = int(offset.total_seconds()) if offset else 0
    return ActivityRecord(
        external_id=file.sha256[:ID_LETTERS],
        sport=found.sport,
        name=_line(found.name),
        started_at=found.started_at,
        utc_offset_s=offset_s,
        time_zone=athlete.time_zone if found.utc_offset_s is None else "",
        duration_s=found.duration_s,
        distance_m=found.distance_m or None,
        ascent_m=found.ascent_m,
        avg_hr=found.avg_hr,
        max_hr=found.max_hr,
        energy_kcal=found.energy_kcal or None,
        device=found.device,
    )


def _line(text: str) -> str:
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())[:200]
