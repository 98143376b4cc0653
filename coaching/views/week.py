"""The athlete's week, and one planned workout beside what was done of it, for both sides."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.permissions import signed_in
from coaching import compliance, sessions, step_results
from coaching.models import Activity, DeclineReason, Match, Share
from coaching.plan_forms import CallOffForm, a_day
from coaching.services import calling_off, detailing, matching, noting
from coaching.sessions import Session, SessionState
from coaching.weeks import WEEK, today_of, week_of
from integrations import errors

NEAR = timedelta(days=3)  # of a session's day: where its activity may be looked for by hand
MOST_CANDIDATES = 20
STILL_TO_DO = (SessionState.PLANNED, SessionState.OFFERED)
AHEAD = timedelta(days=28)


@require_GET
def my_week(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    today = today_of(user)
    first = week_of(a_day(request.GET.get("day", "")) or today, user.week_start)
    last = first + WEEK - timedelta(days=1)
    found = sessions.between(user, [user.pk], min(first, today), max(last, today + AHEAD))
    shown = [first + timedelta(days=number) for number in range(WEEK.days)]
    context: dict[str, Any] = {
        "days": [(day, found.get((user.pk, day), ())) for day in shown],
        "next": _next(found, today),
        "today": today,
        "first": first,
        "last": last,
        "earlier": first - timedelta(days=1),
        "later": first + WEEK,
        "section": "week",
    }
    return render(request, "coaching/week.html", context)


@require_GET
def session(request: HttpRequest, share_id: UUID) -> HttpResponse:
    """Planned against done, for the athlete and his coach; with what each of them may see."""
    viewer = signed_in(request)
    share = _share(viewer, share_id)
    shown = _session(share, viewer)
    with_heart_rate = bool(shown.activity and detailing.sees_heart_rate(shown.activity, viewer))
    look = detailing.look(shown.activity, viewer, with_heart_rate=with_heart_rate) if shown.activity else None
    laps = look.details.laps if look else ()
    context = {
        "session": shown,
        "share": share,
        "steps": step_results.results(share.revision.record, laps, viewer.units),
        "look": look,
        "with_heart_rate": with_heart_rate,
        "candidates": _candidates(viewer, share, shown.activity),
        "is_by_hand": bool(shown.match and shown.match.how == Match.How.MANUAL),
        "notes": noting.thread(viewer, share.link, share=share) if share.link.status == "active" else [],
        "is_coach": share.link.coach_id == viewer.pk,
        "section": "athletes" if share.link.coach_id == viewer.pk else "week",
    }
    return render(request, "coaching/session.html", context)


@require_POST
def rematch(request: HttpRequest, share_id: UUID) -> HttpResponse:
    """`activity` names what belongs to it; empty for none; "auto" to let the rules decide again."""
    viewer = signed_in(request)
    share = _share(viewer, share_id)
    wanted = request.POST.get("activity", "")
    try:
        _decide(viewer, share, wanted)
    except errors.IntegrationError as exc:
        messages.error(request, exc.message)
    else:
        messages.success(request, gettext("Saved."))
    return redirect("coaching:session", share_id)


@require_POST
def call_off(request: HttpRequest, share_id: UUID) -> HttpResponse:
    athlete = signed_in(request)
    share = _own(athlete, share_id)
    form = CallOffForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(str(message) for found in form.errors.values() for message in found))
        return _back(request, share)
    chosen = form.cleaned_data
    try:
        calling_off.call_off(share, by=athlete, reason=DeclineReason(chosen["reason"]), words=chosen["words"])
    except errors.IntegrationError as exc:
        messages.error(request, exc.message)
    else:
        said = {"workout": share.revision.name, "coach": share.link.coach}
        messages.success(request, gettext("%(workout)s is called off. %(coach)s sees the reason.") % said)
    return _back(request, share)


@require_POST
def resume(request: HttpRequest, share_id: UUID) -> HttpResponse:
    athlete = signed_in(request)
    share = _own(athlete, share_id)
    try:
        calling_off.resume(share, by=athlete)
    except errors.IntegrationError as exc:
        messages.error(request, exc.message)
    else:
        messages.success(request, gettext("Taken back. It stands as before."))
    return _back(request, share)


def _own(athlete: User, share_id: UUID) -> Share:
    mine = Share.objects.for_athlete(athlete).filter(scheduled_for__isnull=False)
    return get_object_or_404(mine.select_related("revision", "link__coach", "link__athlete"), public_id=share_id)


def _back(request: HttpRequest, share: Share) -> HttpResponse:
    """To the week or the session, wherever it was said."""
    if request.POST.get("from") == "week" and share.scheduled_for:
        return redirect(reverse("coaching:week", query={"day": share.scheduled_for.isoformat()}))
    return redirect("coaching:session", share.public_id)


def _decide(viewer: User, share: Share, wanted: str) -> None:
    if wanted == "auto":
        matching.decide_by_itself(share, by=viewer)
    elif not wanted:
        matching.unlink(share, by=viewer)
    else:
        seen = Activity.objects.visible_to(viewer).filter(athlete=share.link.athlete_id)
        wanted_id = _uuid(wanted)
        activity = seen.filter(public_id=wanted_id).first() if wanted_id else None
        if activity is None:
            raise errors.NotFoundError(gettext("This activity is no longer there."), code="activity_gone")
        matching.rematch(share, activity, by=viewer)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _share(viewer: User, share_id: UUID) -> Share:
    """The athlete's in any case; a coach's while the two train together. What has no day is no session."""
    mine = Share.objects.for_athlete(viewer) | Share.objects.for_coach(viewer).filter(link__status="active")
    mine = mine.filter(scheduled_for__isnull=False)
    related = ["revision", "workout", "link__athlete", "link__coach__compliance_bands", "match"]
    return get_object_or_404(mine.select_related(*related), public_id=share_id)


def _session(share: Share, viewer: User) -> Session:
    match = getattr(share, "match", None)
    ids = [match.activity_id] if match and match.activity_id else []
    related = ["athlete", "connection__provider"]
    seen = {row.pk: row for row in Activity.objects.visible_to(viewer).filter(pk__in=ids).select_related(*related)}
    return sessions.of_share(share, datetime.now(UTC), compliance.bands_with([share.link.coach]), seen)


def _candidates(viewer: User, share: Share, chosen: Activity | None) -> list[Activity]:
    if share.scheduled_for is None:
        return []
    near = (share.scheduled_for - NEAR, share.scheduled_for + NEAR)
    rows = Activity.objects.visible_to(viewer).filter(athlete=share.link.athlete_id, day__range=near)
    others = rows.exclude(pk=chosen.pk) if chosen else rows
    return list(others.newest_first()[:MOST_CANDIDATES])


def _next(found: Mapping[tuple[int, date], Sequence[Session]], today: date) -> Session | None:
    """The first session from today on that is still to do."""
    ahead = (each for (_, day), rows in sorted(found.items()) if day >= today for each in rows)
    return next((each for each in ahead if each.state in STILL_TO_DO), None)
