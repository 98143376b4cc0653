"""Laps and series of an activity, and its original file: read from the provider when somebody looks."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from accounts.models import User
from coaching import policies
from coaching.files import reading, thinning
from coaching.files.shapes import FileRefused
from coaching.models import Activity, ActivityDetail, CoachingLink, Scope
from coaching.models.activity import FILE
from integrations import bell, control, errors
from integrations.bell import Named
from integrations.client import client_for
from integrations.models import Connection
from integrations.records import DetailsRecord, LapRecord
from integrations.spec import Capability
from integrations.wording import pattern, told

READ_DETAILS = Named("coaching.tasks.read_details")
FETCH_ORIGINAL = Named("coaching.tasks.fetch_original")
ASKED_S = 30  # until a look that nobody answered is asked for again
FAILED_S = 60  # until the provider is asked again after it did not answer
ORIGINAL_S = 900  # that a fetched file lies ready
ORIGINALS = "originals"
ASKED = "asked"
# What a worker found out waits for its readers in English; each is told it in his own language.
WANTS_LOGIN = pattern(gettext_noop("{p} wants a new login before it tells us more."))
NOT_READ = pattern(gettext_noop("What {p} sent could not be read."))
NO_FILE = pattern(gettext_noop("What {p} sent is no file that we know."))
SILENT = pattern(gettext_noop("{p} does not answer just now. Look again in a minute."))

log = structlog.get_logger(__name__)


class State(StrEnum):
    READY = "ready"
    READING = "reading"
    AWAY = "away"  # not now, with words
    NONE = "none"  # the source has no such thing


@dataclass(frozen=True, slots=True)
class Look:
    """What a page shows of an activity's details just now. `heart_rate` is left out where it may not be seen."""

    state: State
    words: str = ""
    details: DetailsRecord = field(default_factory=DetailsRecord)
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Original:
    """The file as the provider keeps it. `path` is set while it lies ready in the storage."""

    state: State
    words: str = ""
    path: str = ""


def sees_heart_rate(activity: Activity, viewer: User) -> bool:
    """One's own; a coach only while the athlete shares it with him."""
    if activity.athlete_id == viewer.pk:
        return True
    granted = CoachingLink.objects.active().filter(
        coach=viewer, athlete=activity.athlete_id, scopes__contains=[Scope.ACTIVITIES, Scope.HEART_RATE]
    )
    return granted.exists()


def look(activity: Activity, viewer: User, *, with_heart_rate: bool) -> Look:
    """What is there; what is not is asked for, without waiting. `activity` is one that the viewer may see."""
    if detail := _standing(activity):
        return Look(State.READY, "", _shown(detail, with_heart_rate=with_heart_rate), detail.fetched_at)
    if refused := _refusal(activity, Capability.ACTIVITIES_DETAILS, gettext("laps or curves")):
        return Look(*refused)
    return Look(*_asked(_key("details", activity), READ_DETAILS, activity, viewer))


def read(activity_id: int, viewer_id: int) -> None:
    """The task's work. Consent counts now, not when it was asked for. Safe to run twice."""
    activity = _still_visible(activity_id, viewer_id)
    if activity is None or activity.connection is None or _standing(activity):
        return
    key = _key("details", activity)
    try:
        found = client_for(activity.connection, direction="sync").activity_detail(activity.external_id)
    except errors.NotFoundError:
        found = DetailsRecord()
    except errors.IntegrationError as exc:
        cache.set(key, _apology(activity.connection, exc), FAILED_S)
        return
    if _still_visible(activity_id, viewer_id):
        _keep(activity, thinning.thinned(found))
    cache.delete(key)


def original(activity: Activity, athlete: User, *, ask: bool = False) -> Original:
    """How the original file of a provider's activity is doing; the athlete's own alone."""
    if refused := _refusal(activity, Capability.ACTIVITIES_FILE, gettext("original file")):
        return Original(*refused)
    known = cache.get(_key("original", activity))
    if known and known.startswith(ORIGINALS):
        return Original(State.READY, "", known)
    if not ask and known is None:
        return Original(State.NONE)
    return Original(*_asked(_key("original", activity), FETCH_ORIGINAL, activity, athlete))


def fetch_original(activity_id: int, athlete_id: int) -> None:
    """The task's work: lay the file ready for a quarter of an hour. Safe to run twice."""
    activity = _still_visible(activity_id, athlete_id)
    if activity is None or activity.connection is None or activity.athlete_id != athlete_id:
        return
    key = _key("original", activity)
    try:
        content = client_for(activity.connection, direction="sync").activity_file(activity.external_id)
        loose = next(iter(reading.files_in(f"{activity.external_id}.fit", content)))
    except (FileRefused, StopIteration):
        cache.set(key, NO_FILE.format(p=activity.connection.provider), FAILED_S)
    except errors.IntegrationError as exc:
        cache.set(key, _apology(activity.connection, exc), FAILED_S)
    else:
        path = f"{ORIGINALS}/{activity.public_id}/{loose.name}"
        default_storage.delete(path)
        cache.set(key, default_storage.save(path, ContentFile(loose.content)), ORIGINAL_S)


def clear_originals() -> int:
    """Delete the files that lay ready for long enough."""
    oldest, cleared = timezone.now() - timedelta(seconds=ORIGINAL_S), 0
    try:
        folders = default_storage.listdir(ORIGINALS)[0]
    except FileNotFoundError:  # nothing was ever fetched; object storages know no folders and answer an empty list
        return 0
    for folder in folders:
        for name in default_storage.listdir(f"{ORIGINALS}/{folder}")[1]:
            path = f"{ORIGINALS}/{folder}/{name}"
            if default_storage.get_modified_time(path) < oldest:
                default_storage.delete(path)
                cleared += 1
    return cleared


def _standing(activity: Activity) -> ActivityDetail | None:
    """What is kept and neither past its time nor older than the activity."""
    fresh = Q(expires_at=None) | Q(expires_at__gt=Now())
    changed = Q() if activity.source == FILE else Q(fetched_at__gte=activity.updated_at)
    return ActivityDetail.objects.filter(fresh, changed, activity=activity).first()


def _shown(detail: ActivityDetail, *, with_heart_rate: bool) -> DetailsRecord:
    laps = tuple(LapRecord.model_validate(lap) for lap in detail.laps)
    record = DetailsRecord.model_validate({**detail.series, "laps": laps})
    if with_heart_rate:
        return record
    without = tuple(lap.model_copy(update={"avg_hr": None, "max_hr": None}) for lap in laps)
    return record.model_copy(update={"laps": without, "heart_rate": ()})


def _refusal(activity: Activity, capability: Capability, what: str) -> tuple[State, str] | None:
    """Why the provider is not asked."""
    connection = activity.connection
    if connection is None:
        return State.NONE, gettext("No %(what)s in what was uploaded.") % {"what": what}
    if not connection.can(capability):
        return State.NONE, gettext("%(provider)s gives no %(what)s.") % {"provider": connection.provider, "what": what}
    if connection.status == Connection.Status.NEEDS_REAUTH:
        return State.AWAY, told(WANTS_LOGIN.format(p=connection.provider))
    if connection.status != Connection.Status.ACTIVE:
        return State.AWAY, gettext("The connection to %(provider)s is %(state)s.") % {
            "provider": connection.provider,
            "state": connection.get_status_display().lower(),
        }
    if refused := control.refusal(connection.provider, "sync", connection.user_id):
        return State.AWAY, refused.words
    return None


def _asked(key: str, task: Named, activity: Activity, viewer: User) -> tuple[State, str]:
    """Ring for it, once in a while however often a page asks."""
    known = cache.get(key)
    if known is not None and known != ASKED:
        return State.AWAY, told(known)
    if cache.add(key, ASKED, ASKED_S):
        bell.ring(task, activity.pk, viewer.pk)
    return State.READING, ""


def _still_visible(activity_id: int, viewer_id: int) -> Activity | None:
    visible = Activity.objects.visible_to(User(pk=viewer_id)).filter(pk=activity_id)
    return visible.select_related("connection__provider").first()


def _keep(activity: Activity, details: DetailsRecord) -> None:
    days = policies.standing().kept_days.get(activity.source)
    now = timezone.now()
    kept = {
        "laps": [lap.model_dump(mode="json", exclude_none=True) for lap in details.laps],
        "series": details.model_dump(mode="json", exclude={"laps"}),
        "fetched_at": now,
        "expires_at": None if days is None else now + timedelta(days=days),
    }
    ActivityDetail.objects.update_or_create(activity=activity, defaults=kept)


def _apology(connection: Connection, exc: errors.IntegrationError) -> str:
    """In English words; the sum of the activity stands meanwhile."""
    log.info("details_not_read", provider=connection.provider.slug, error_code=exc.code)
    if isinstance(exc, errors.IntegrationDisabled):
        return exc.message
    if isinstance(exc, errors.AuthenticationError):
        return WANTS_LOGIN.format(p=connection.provider)
    words = NOT_READ if isinstance(exc, errors.DataError) else SILENT
    return words.format(p=connection.provider)


def _key(what: str, activity: Activity) -> str:
    """The viewer is no part of it: what is read for one is read for all who may see it."""
    return f"{what}:{activity.pk}"
