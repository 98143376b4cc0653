"""This app's part of what is known of a person: plans, links and consent, what was done, notes and notices."""

from collections.abc import Iterator, Mapping

from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_noop

from accounts import privacy
from accounts.models import User
from coaching.models import (
    Activity,
    ActivityDetail,
    ActivityFile,
    CalendarFeed,
    CoachingLink,
    ComplianceBands,
    ConsentEntry,
    DailyTotal,
    Delivery,
    DuplicatePair,
    Group,
    Invitation,
    Match,
    Note,
    Notification,
    NotificationChoice,
    NotificationTimes,
    Share,
    Upload,
    Workout,
    WorkoutRevision,
)
from coaching.services import inviting

SHARE = [
    "public_id", "link__public_id", "revision__name", "status", "scheduled_for", "message", "created_at",
    "decline_reason", "decline_words",
]  # fmt: skip
DELIVERY = ["public_id", "share__public_id", "status", "remote_workout_id", "remote_schedule_id", "delivered_at"]
ACTIVITY = [
    "public_id", "source", "external_id", "sport", "name", "started_at", "utc_offset_s", "time_zone", "day",
    "duration_s", "distance_m", "ascent_m", "avg_hr", "max_hr", "energy_kcal", "load", "device", "gone_at", "hidden_at",
]  # fmt: skip
UPLOAD = ["name", "bytes_n", "sha256", "status", "error_code", "parts", "created_at", "finished_at"]
MATCH = ["share__public_id", "activity__public_id", "how", "basis", "planned", "done", "percent", "matched_at"]


def _export(user: User) -> Iterator[privacy.Rows | privacy.Original]:
    yield from _people(user)
    yield from _plans(user)
    yield from _done(user)
    uploads = Upload.objects.of(user).order_by("pk")
    yield privacy.Rows("uploads.json", uploads.values(*UPLOAD).iterator())
    for row in ActivityFile.objects.filter(athlete=user).order_by("pk"):
        yield privacy.Original(f"files/{row.public_id}.{row.format}", row.stored.open)


def _people(user: User) -> Iterator[privacy.Rows]:
    links = CoachingLink.objects.for_user(user).order_by("pk")
    told = ["public_id", "status", "scopes", "auto_import", "started_at", "ended_at"]
    yield privacy.Rows("links.json", links.values(*told, coach_name=F("coach__display_name"),
                                                  athlete_name=F("athlete__display_name")))  # fmt: skip
    consent = ConsentEntry.objects.filter(link__athlete=user).order_by("pk")
    yield privacy.Rows("consent.json", consent.values("at", "link__public_id", "what", "scopes", "auto_import"))
    sent = Invitation.objects.filter(coach=user).order_by("pk")
    yield privacy.Rows("invitations.json", sent.values("email", "created_at", "accepted_at", "declined_at"))
    groups = Group.objects.for_coach(user)
    yield privacy.Rows("groups.json", groups.values("public_id", "name"))
    notes = Note.objects.filter(author=user).order_by("pk")
    yield privacy.Rows("notes.json", notes.values("created_at", "link__public_id", "share__public_id", "text"))
    chosen = NotificationChoice.objects.filter(user=user).order_by("pk")
    yield privacy.Rows("how-i-am-told.json", chosen.values("kind", "channels"))
    notices = Notification.objects.filter(recipient=user).order_by("pk")
    yield privacy.Rows("notices.json", notices.values("created_at", "channel", "template", "context").iterator())


def _plans(user: User) -> Iterator[privacy.Rows]:
    revisions = WorkoutRevision.objects.filter(workout__owner=user).order_by("workout_id", "number")
    told = ["workout__public_id", "number", "name", "sport", "duration_s", "distance_m", "content", "created_at"]
    yield privacy.Rows("library.json", revisions.values(*told).iterator())
    shares = Share.objects.filter(Q(link__athlete=user) | Q(link__coach=user)).order_by("pk")
    yield privacy.Rows("shares.json", shares.values(*SHARE).iterator())
    deliveries = Delivery.objects.filter(share__link__athlete=user).order_by("pk")
    yield privacy.Rows("deliveries.json", deliveries.values(*DELIVERY).iterator())


def _done(user: User) -> Iterator[privacy.Rows]:
    activities = Activity.objects.filter(athlete=user).order_by("started_at", "pk")
    yield privacy.Rows("activities.json", activities.values(*ACTIVITY).iterator())
    details = ActivityDetail.objects.filter(activity__athlete=user).order_by("pk")
    yield privacy.Rows("details.json", details.values("activity__public_id", "laps", "series").iterator())
    matches = Match.objects.filter(share__link__athlete=user).order_by("pk")
    yield privacy.Rows("matches.json", matches.values(*MATCH).iterator())


def _begin(user: User) -> None:
    """Nobody shares, sees or sends anything from now on."""
    for link in CoachingLink.objects.for_user(user).active():
        inviting.end_link(link, user)
    Invitation.objects.open().filter(coach=user).update(revoked_at=Now())


def _erase(user: User) -> Mapping[str, int]:
    """A coach's workouts that athletes were offered stay for them, without his name; all of an athlete goes."""
    return _erase_done(user) | _erase_planned(user) | _erase_talk(user) | _erase_library(user)


def _erase_done(user: User) -> dict[str, int]:
    uploads = _erase_uploads(user)  # first: who still reads one stores nothing from here on
    for row in ActivityFile.objects.filter(athlete=user):
        row.stored.delete(save=False)
    return {
        gettext_noop("uploads"): uploads,
        gettext_noop("uploaded files"): privacy.delete(ActivityFile.objects.filter(athlete=user)),
        gettext_noop("pairs of activities"): privacy.delete(DuplicatePair.objects.filter(athlete=user)),
        gettext_noop("daily totals"): privacy.delete(DailyTotal.objects.filter(athlete=user)),
        gettext_noop("activities"): privacy.delete(Activity.objects.filter(athlete=user)),
    }


def _erase_uploads(user: User) -> int:
    rows = Upload.objects.of(user)
    for row in rows.select_for_update(of=("self",)):
        if row.stored:
            row.stored.delete(save=False)
    return privacy.delete(rows)


def _erase_planned(user: User) -> dict[str, int]:
    shares = Share.objects.filter(link__athlete=user)
    return {
        gettext_noop("deliveries"): privacy.delete(Delivery.objects.filter(share__in=shares)),
        gettext_noop("planned workouts"): privacy.delete(shares),
        gettext_noop("links to coaches"): privacy.delete(CoachingLink.objects.filter(athlete=user)),
    }


def _erase_talk(user: User) -> dict[str, int]:
    mine = {"coach": user}
    invited = Invitation.objects.filter(Q(coach=user) | Q(email__iexact=user.email))
    return {
        gettext_noop("messages with shared workouts"): Share.objects.filter(link__coach=user)
        .exclude(message="")
        .update(message=""),
        gettext_noop("notes"): privacy.delete(Note.objects.filter(author=user)),
        gettext_noop("notices"): privacy.delete(Notification.objects.filter(recipient=user)),
        gettext_noop("choices of how to be told"): privacy.delete(NotificationChoice.objects.filter(user=user))
        + privacy.delete(NotificationTimes.objects.filter(user=user)),
        gettext_noop("invitations"): privacy.delete(invited),
        gettext_noop("groups"): privacy.delete(Group.objects.filter(**mine)),
        gettext_noop("compliance bands"): privacy.delete(ComplianceBands.objects.filter(**mine)),
        gettext_noop("calendar feeds"): privacy.delete(CalendarFeed.objects.filter(user=user)),
    }


def _erase_library(user: User) -> dict[str, int]:
    offered = Share.objects.values("workout")
    return {gettext_noop("workouts"): privacy.delete(Workout.objects.filter(owner=user).exclude(pk__in=offered))}


privacy.register(privacy.Part("coaching", _export, _erase, begin=_begin))
