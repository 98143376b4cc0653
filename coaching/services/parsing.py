"""What a worker makes of an upload: activities, part by part, or the reasons why not."""

import time

import structlog
from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext

from accounts.models import User
from coaching import activity_sink
from coaching.activity_sink import Origin
from coaching.files import reading, thinning
from coaching.files.reading import Loose
from coaching.files.shapes import Budget, FileActivity, FileRefused
from coaching.models import Activity, ActivityDetail, ActivityFile, Upload
from coaching.models.activity import FILE
from coaching.models.upload import UploadStatus
from integrations.models.leases import LeaseLost
from integrations.records import ActivityRecord, DetailsRecord

ID_LETTERS = 32  # of the hash: as good as the whole of it, and short enough for every list
MOST_CRASHES = 3
BATCH = 100
BEATS_A_LEASE = 4

log = structlog.get_logger(__name__)


def read(upload_id: int) -> None:
    """Make activities of what an upload holds. Safe to run twice: only the run that claims it works on it."""
    upload = Upload.objects.claim(upload_id)
    if upload is None:
        return
    try:
        with translation.override(upload.athlete.language):
            _read(upload)
    except LeaseLost:
        log.info("upload_lease_lost", upload=str(upload.public_id))


def reap() -> int:
    """Give back what dead workers held, or end it after the last try. Returns how many; the database's clock counts."""
    lapsed = Upload.objects.lapsed().filter(status=UploadStatus.READING).select_related("athlete")
    return sum(_taken_back(upload) for upload in lapsed.order_by("pk")[:BATCH])


def _taken_back(upload: Upload) -> bool:
    held = Upload.objects.lapsed().filter(pk=upload.pk, lease_token=upload.lease_token)
    log.warning("upload_worker_lost", upload=str(upload.public_id), crashes=upload.crashes + 1)
    if upload.crashes + 1 < MOST_CRASHES:
        free = {"lease_token": None, "lease_until": None, "next_attempt_at": Now()}
        return bool(held.update(status=UploadStatus.RECEIVED, crashes=F("crashes") + 1, **free))
    if not held.update(crashes=F("crashes") + 1, lease_until=Now() + Upload.lease()):  # ours now, to end it
        return False
    with translation.override(upload.athlete.language):
        words = gettext(
            "Reading it was interrupted %(times)s times, so we stopped. Try again later, or send its files one by one."
        )
        _settle(upload, FileRefused(words % {"times": MOST_CRASHES}, code="worker_lost"))
    return True


def _read(upload: Upload) -> None:
    with upload.stored.open("rb") as raw:
        content = raw.read()
    refused: FileRefused | None = None
    try:
        _must(upload.write(files_n=reading.count(content)))
        _read_parts(upload, content)
    except FileRefused as exc:
        refused = exc
    _settle(upload, refused)


def _read_parts(upload: Upload, content: bytes) -> None:
    """Those behind the parts that are there: an earlier worker may have come so far."""
    budget = reading.budget_for(content, beat=_Beat(upload))
    for number, loose in enumerate(reading.files_in(upload.name, content)):
        if number >= len(upload.parts):
            _read_part(upload, loose, budget)


def _read_part(upload: Upload, loose: Loose, budget: Budget) -> None:
    try:
        known = _known(upload.athlete, loose)
        if known is None:
            _keep(upload, loose, reading.read(loose.content, budget))
        else:
            _tell(upload, loose, activity=str(known.public_id))
    except FileRefused as refused:
        log.info("upload_refused", reason=refused.code, bytes=len(loose.content))
        _tell(upload, loose, code=refused.code, problem=refused.message)


def _keep(upload: Upload, loose: Loose, found: FileActivity) -> None:
    file = ActivityFile(
        athlete=upload.athlete, name=loose.name, format=found.format, sha256=loose.sha256, bytes_n=len(loose.content)
    )
    file.stored.save(f"{file.public_id}.{found.format}", ContentFile(loose.content), save=False)
    is_kept = False
    try:
        _recorded(upload, loose, file, found)
        is_kept = True
    except IntegrityError:  # another upload of the athlete brought the same file at the same moment
        if (known := _known(upload.athlete, loose)) is None:
            raise
        _tell(upload, loose, activity=str(known.public_id))
    finally:
        if not is_kept:
            file.stored.storage.delete(file.stored.name or "")


@transaction.atomic
def _recorded(upload: Upload, loose: Loose, file: ActivityFile, found: FileActivity) -> None:
    record = _record(upload.athlete, file, found)
    activity_sink.store(Origin(upload.athlete_id, FILE, file_hash=file.sha256), [record])
    activity = Activity.objects.get(athlete=upload.athlete, source=FILE, external_id=record.external_id)
    file.activity = activity
    ActivityFile.objects.filter(athlete=upload.athlete, sha256=file.sha256, activity=None).delete()  # its own is gone
    file.save()
    keep_details(activity, thinning.details_of(found.laps, found.points))
    _tell(upload, loose, activity=str(activity.public_id), is_new=True)


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


def _tell(
    upload: Upload, loose: Loose, *, activity: str = "", is_new: bool = False, code: str = "", problem: str = ""
) -> None:
    part = {"name": loose.name, "activity": activity, "is_new": is_new, "code": code, "problem": problem}
    _must(upload.write(parts=[*upload.parts, part]))


def _must(is_written: bool) -> None:
    if not is_written:
        raise LeaseLost


def _settle(upload: Upload, refused: FileRefused | None) -> None:
    """The end, in one word and, where something is missing, one sentence. The file as it was sent is not kept."""
    status, code, words = _ending(upload, refused)
    name = upload.stored.name or ""
    fields = {"error_code": code, "error_detail": words[:500], "stored": "", "finished_at": Now()}
    _must(upload.settle(status=status, **fields))
    upload.stored.storage.delete(name)
    log.info("upload_read", status=status, code=code, made=len(upload.made), refused=len(upload.refused))


def _ending(upload: Upload, refused: FileRefused | None) -> tuple[UploadStatus, str, str]:
    made, problems = upload.made, upload.refused
    if refused is None and not problems:
        return UploadStatus.DONE, "", ""
    status = UploadStatus.PARTLY if made else UploadStatus.REFUSED
    if refused is not None:
        return status, refused.code, refused.message
    if len(upload.parts) == 1:
        return status, problems[0]["code"], problems[0]["problem"]
    words = gettext("%(refused)s of its %(all)s files could not be read.")
    return status, "some_files", words % {"refused": len(problems), "all": len(upload.parts)}


class _Beat:
    """Holds the lease while a file is read, however long that takes. Raises LeaseLost."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._every_s = Upload.lease().total_seconds() / BEATS_A_LEASE
        self._next = time.monotonic() + self._every_s

    def __call__(self) -> None:
        if time.monotonic() >= self._next:
            _must(self._upload.extend())
            self._next = time.monotonic() + self._every_s


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
