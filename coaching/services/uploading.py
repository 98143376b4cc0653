"""Files that athletes bring themselves: the way that works when no provider does.

A request stores the file and answers; a worker reads it. Each part is stored with the upload's own row in one
transaction, guarded by the lease: a worker that dies leaves whole parts behind, and the next one goes on from there.
"""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any, NamedTuple

import structlog
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext

from accounts import audit
from accounts.models import User
from coaching import activity_sink
from coaching.files import reading
from coaching.files.shapes import FileRefused
from coaching.models import Activity, ActivityFile, Match, Upload
from coaching.models.activity import FILE
from coaching.models.upload import UploadStatus
from integrations import bell
from integrations.bell import Named

READ_UPLOAD = Named("coaching.tasks.read_upload")
MOST_OPEN = 20  # uploads of one athlete that wait at the same time
KEPT = timedelta(days=30)  # what came of an upload; files and activities stay

type Sent = UploadedFile[Any]

log = structlog.get_logger(__name__)


class Received(NamedTuple):
    upload: Upload
    is_new: bool


def receive(athlete: User, name: str, file: Sent) -> Received:
    """Store `file` and ask for its reading. The same file again, at the same moment too, is the same upload.

    Raises FileRefused for what needs no reading to be refused.
    """
    bytes_n = file.size or 0
    reading.check_size(bytes_n)
    reading.kind_of(file.read(reading.HEAD))
    found = Upload(athlete=athlete, name=reading.short_name(name), sha256=_hash(file), bytes_n=bytes_n)
    if standing := _standing(found):
        return Received(standing, is_new=False)
    _check_room(athlete)
    file.seek(0)
    found.stored.save(str(found.public_id), file, save=False)
    return _admitted(found)


def _hash(file: Sent) -> str:
    file.seek(0)
    found = sha256()
    for chunk in file.chunks():
        found.update(chunk)
    return found.hexdigest()


def _standing(upload: Upload) -> Upload | None:
    """The one of these bytes that moves, or that was read with all of it still here."""
    known = Upload.objects.filter(athlete=upload.athlete, sha256=upload.sha256).first()
    if known is None or known.is_moving:
        return known
    wanted = {part["activity"] for part in known.made}
    here = Activity.objects.filter(athlete=upload.athlete, source=FILE, public_id__in=wanted).count()
    return known if known.status == UploadStatus.DONE and here == len(wanted) else None


def _check_room(athlete: User) -> None:
    if Upload.objects.of(athlete).moving().count() >= MOST_OPEN:
        raise FileRefused(
            gettext("%(most)s of your files still wait to be read. Try again when some of them are through.")
            % {"most": MOST_OPEN},
            code="too_many_open",
        )


def _admitted(found: Upload) -> Received:
    kept: Upload | None = None
    try:
        kept = _recorded(found)
    except IntegrityError:  # the same file came a second time at the same moment
        kept = Upload.objects.get(athlete=found.athlete, sha256=found.sha256)
    finally:
        if kept is None or kept.stored.name != found.stored.name:
            found.stored.storage.delete(found.stored.name or "")
    return Received(kept, is_new=kept.stored.name == found.stored.name)


@transaction.atomic
def _recorded(found: Upload) -> Upload:
    """A new row, or the one that came to an end earlier, begun anew."""
    known = Upload.objects.select_for_update().filter(athlete=found.athlete, sha256=found.sha256).first()
    if known is not None and known.is_moving:
        return known
    if known is None:
        found.save()
        known = found
    else:
        Upload.objects.filter(pk=known.pk).update(**_anew(found))
        known.refresh_from_db()
    bell.ring(READ_UPLOAD, known.pk)
    return known


def _anew(found: Upload) -> Mapping[str, Any]:
    return {
        "status": UploadStatus.RECEIVED, "stored": found.stored.name, "name": found.name, "parts": [], "files_n": None,
        "attempts": 0, "crashes": 0, "error_code": "", "error_detail": "", "finished_at": None,
        "created_at": Now(), "next_attempt_at": Now(),
    }  # fmt: skip


def remove(file: ActivityFile, *, by: User) -> None:
    """Delete an upload with what was made of it; what a provider tells of the same session comes to light again."""
    stored, name = file.stored.storage, file.stored.name or ""
    with transaction.atomic():
        activity = Activity.objects.select_for_update(of=("self",)).filter(files=file, source=FILE).first()
        audit.record("activity.upload_deleted", file, actor=by, format=file.format)
        Upload.objects.of(file.athlete).settled().filter(sha256=file.sha256).delete()
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
