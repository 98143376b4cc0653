from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.db.models import OuterRef, Subquery
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models import User
from accounts.permissions import signed_in
from coaching import activity_pages, figures, series_charts
from coaching.activity_forms import ActivityFilterForm
from coaching.models import Activity, ActivityFile, CoachingLink, DuplicatePair, Match
from coaching.models.activity import FILE
from coaching.services import detailing
from coaching.services.detailing import Original, State
from integrations.models import Connection, Resource, SyncStream

MOST_LOOKS = 40  # of the page, until it asks its reader whether to go on


@require_GET
def activities(request: HttpRequest) -> HttpResponse:
    """One's own; what a coach sees of an athlete stands on the athlete's page."""
    user = signed_in(request)
    form = ActivityFilterForm(request.GET)
    lookups = form.lookups()
    context = {
        "form": form,
        "filtered": bool(lookups),
        "page": activity_pages.page(Activity.objects.of(user).filter(**lookups), request.GET.get("after", "")),
        "is_later": bool(request.GET.get("after")),
        "open_duplicates": DuplicatePair.objects.filter(athlete=user, state="open").exists(),
        "connected": Connection.objects.live().filter(user=user).exists(),
        "section": "activities",
    }
    return render(request, "coaching/activities.html", context)


@require_GET
def activity(request: HttpRequest, activity_id: UUID) -> HttpResponse:
    user = signed_in(request)
    found = _visible(user, activity_id)
    with_heart_rate = detailing.sees_heart_rate(found, user)
    is_own = found.athlete_id == user.pk
    context = {
        "activity": found,
        "start": figures.start_of(found, user),
        "figures": figures.figures(found, user, with_heart_rate=with_heart_rate),
        "source": figures.source_name(found.source),
        "as_of": found.read_at or found.updated_at,  # of a file: when it was brought
        "is_own": is_own,
        "is_upload": found.source == FILE,
        "match": _match(found, user),
        "who_sees": figures.who_sees(found.source, user) if is_own else [],
        "link": None if is_own else _link(found, user),
        "section": "activities" if is_own else "athletes",
        **_details(request, found, user, with_heart_rate=with_heart_rate),
    }
    if is_own:
        context["original"] = _original(found, user)
    return render(request, "coaching/activity.html", context)


def _link(activity: Activity, coach: User) -> CoachingLink | None:
    return CoachingLink.objects.active_for_coach(coach).filter(athlete=activity.athlete_id).first()


@require_GET
def activity_details(request: HttpRequest, activity_id: UUID) -> HttpResponse:
    """The part of the page that waits for a provider; asked for until it has arrived."""
    user = signed_in(request)
    found = _visible(user, activity_id)
    context = _details(request, found, user, with_heart_rate=detailing.sees_heart_rate(found, user))
    return render(request, "coaching/_activity_details.html", {"activity": found, **context})


@require_http_methods(["GET", "POST"])
def original_file(request: HttpRequest, activity_id: UUID) -> HttpResponse:
    """The athlete's own file: POST has it fetched, GET tells how that goes."""
    user = signed_in(request)
    found = _own(user, activity_id)
    original = _original(found, user, ask=request.method == "POST")
    return render(request, "coaching/_activity_original.html", {"activity": found, "original": original})


@require_GET
def download(request: HttpRequest, activity_id: UUID) -> HttpResponse | FileResponse:
    """The bytes; nobody but the athlete ever gets them."""
    user = signed_in(request)
    found = _own(user, activity_id)
    if uploaded := ActivityFile.objects.filter(activity=found, athlete=user).first():
        return FileResponse(uploaded.stored.open(), as_attachment=True, filename=uploaded.name)
    original = _original(found, user)
    if original.state != State.READY or not default_storage.exists(original.path):
        return redirect("coaching:activity", activity_id=activity_id)
    name = original.path.rpartition("/")[2]
    return FileResponse(default_storage.open(original.path), as_attachment=True, filename=name)


def _visible(user: User, activity_id: UUID) -> Any:
    """With the planned workout that it was, and when its source was last read."""
    streams = SyncStream.objects.filter(connection=OuterRef("connection"), resource=Resource.ACTIVITIES)
    rows = Activity.objects.visible_to(user).annotate(read_at=Subquery(streams.values("last_success_at")[:1]))
    rows = rows.select_related("athlete", "connection__provider", "match__share__revision", "match__share__link")
    return get_object_or_404(rows, public_id=activity_id)


def _own(user: User, activity_id: UUID) -> Activity:
    rows = Activity.objects.of(user).select_related("connection__provider")
    return get_object_or_404(rows, public_id=activity_id)


def _details(request: HttpRequest, found: Activity, user: User, *, with_heart_rate: bool) -> dict[str, Any]:
    look = detailing.look(found, user, with_heart_rate=with_heart_rate)
    sport, units = found.sport, user.units
    looks = request.GET.get("looks", "0")
    number = int(looks) + 1 if looks.isdecimal() and len(looks) < 4 else 1
    return {
        "look": look,
        "curves": series_charts.curves(look.details, sport=sport, units=units),
        "slices": series_charts.slices(look.details, sport=sport, units=units),
        "speed_title": "{}, {}".format(*series_charts.speed_words(sport, units)[:2]),
        "with_heart_rate": with_heart_rate,
        "laps": series_charts.laps(look.details, sport=sport, units=units),
        "poll": f"{reverse('coaching:activity_details', args=[found.public_id])}?looks={number}",
        "goes_on": number < MOST_LOOKS,
    }


def _original(found: Activity, user: User, *, ask: bool = False) -> Original:
    if found.source == FILE:
        has_file = ActivityFile.objects.filter(activity=found, athlete=user).exists()
        return Original(
            State.READY if has_file else State.NONE, "" if has_file else gettext("The file is no longer here.")
        )
    return detailing.original(found, user, ask=ask)


def _match(found: Activity, user: User) -> dict[str, Any] | None:
    """The planned workout that this was, where the viewer is the one who planned it or the one who did it."""
    match: Match | None = getattr(found, "match", None)  # Django's way to say that there is none is an AttributeError
    if match is None or user.pk not in {match.share.link.coach_id, match.share.link.athlete_id}:
        return None
    return {"match": match, "share": match.share}


def require_upload(user: User, activity_id: UUID) -> ActivityFile:
    """The athlete's own upload, or 404."""
    file = ActivityFile.objects.filter(athlete=user, activity__public_id=activity_id).first()
    if file is None:
        raise Http404
    return file
