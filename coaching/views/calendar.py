from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import dateformat
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods

from accounts.permissions import signed_in
from coaching import sessions
from coaching.models import CoachingLink, Group, Share
from coaching.permissions import coach_required
from coaching.plan_forms import CopyWeekForm, MoveForm, RosterFilterForm, a_day
from coaching.services import grouping, planning
from coaching.sessions import Session
from coaching.views.limits import over_limit
from coaching.views.slices import slice_of
from coaching.weeks import WEEK, today_of, week_of
from integrations import errors

PAGE = 25


@dataclass(frozen=True, slots=True)
class Day:
    """A column, written out once and not for every athlete."""

    on: date
    iso: str
    label: str
    is_today: bool


@dataclass(frozen=True, slots=True)
class Row:
    link: CoachingLink
    cells: Sequence[tuple[Day, Sequence[Session]]]


@dataclass(frozen=True, slots=True)
class Span:
    """The days on show, and where the neighbours begin."""

    view: str
    first: date
    last: date

    def days(self, today: date) -> list[Day]:
        shown = [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]
        pattern = gettext("D j M")
        return [Day(day, day.isoformat(), dateformat.format(day, pattern), day == today) for day in shown]

    @property
    def earlier(self) -> date:
        return self.first - timedelta(days=1)

    @property
    def later(self) -> date:
        return self.last + timedelta(days=1)


@require_GET
@coach_required
def calendar(request: HttpRequest) -> HttpResponse:
    """Athletes by days: what is planned and what came of it."""
    coach = signed_in(request)
    here = today_of(coach)
    span = _span(request, here, coach.week_start)
    links = grouping.with_groups(CoachingLink.objects.active_for_coach(coach), coach)
    form = RosterFilterForm(request.GET)
    page = slice_of(form.narrow(links).order_by("athlete__display_name", "pk"), request.GET.get("page"), PAGE)
    form.offer(page.rows)
    days = sessions.of_links(coach, page.rows, span.first, span.last)
    columns = span.days(here)
    context: dict[str, Any] = {
        "span": span,
        "columns": columns,
        "is_month": span.view == "month",
        "form": form,
        "filtered": form.is_narrow,
        "page": page,
        "rows": [_row(link, columns, days) for link in page],
        "section": "calendar",
    }
    return render(request, "coaching/calendar.html", context)


@require_http_methods(["GET", "POST"])
def move(request: HttpRequest, share_id: UUID) -> HttpResponse:
    """Another day for one planned workout, by the coach or the athlete, and what that means for its copy."""
    person = signed_in(request)
    mine = Share.objects.for_athlete(person) | Share.objects.for_coach(person)
    share = get_object_or_404(mine.ledger(), public_id=share_id)
    is_coach = share.link.coach_id == person.pk
    form = MoveForm(request.POST if request.method == "POST" else None, initial={"on": share.scheduled_for})
    if request.method == "POST" and form.is_valid():
        try:
            moved = planning.move(share, form.cleaned_data["on"], by=person)
        except errors.IntegrationError as exc:
            form.add_error("on", exc.message)
        else:
            day = form.cleaned_data["on"]
            said = {"workout": share.revision.name, "day": dateformat.format(day, gettext("l, j F"))}
            words = gettext("%(workout)s is now on %(day)s.") % said if moved else gettext("It is there already.")
            messages.success(request, words)
            return redirect(f"{_back(request, share, by_coach=is_coach)}#s-{share.public_id}")
    context = {
        "share": share,
        "form": form,
        "back": _back(request, share, by_coach=is_coach),
        "is_coach": is_coach,
        "section": "calendar" if is_coach else "week",
    }
    return render(request, "coaching/move.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@coach_required
def copy(request: HttpRequest) -> HttpResponse:
    """A week for a group: first the list of what would be offered, then the confirmation of just that."""
    coach = signed_in(request)
    links = CoachingLink.objects.active_for_coach(coach).order_by("athlete__display_name", "pk")
    groups = Group.objects.for_coach(coach)
    given = request.POST if request.method == "POST" else request.GET if "group" in request.GET else None
    known = {name: request.GET[name] for name in ("source", "from_day") if name in request.GET}
    here, starts_on = today_of(coach), coach.week_start
    form = CopyWeekForm(given, links=links, groups=groups, today=here, starts_on=starts_on, initial=known)
    if given is None or not form.is_valid():
        return _copy_page(request, form, status=400 if form.errors else 200)
    rows = _copies(form)
    if request.method == "GET":
        return _copy_page(request, form, rows=rows)
    try:
        made = planning.copy_week(rows, by=coach)
    except errors.ThrottledError as exc:
        form.add_error(None, exc.message)
        return over_limit(_copy_page(request, form, rows=rows), exc)
    except errors.ValidationError as exc:
        form.add_error(None, exc.message)
        return _copy_page(request, form, rows=rows, status=400)
    offered = ngettext("%(n)s workout offered.", "%(n)s workouts offered.", made) % {"n": made}
    words = offered if made else gettext("They have it all already.")
    messages.success(request, words)
    return redirect(reverse("coaching:calendar", query={"day": form.cleaned_data["to_day"].isoformat()}))


def _copies(form: CopyWeekForm) -> list[planning.Copy]:
    chosen = form.cleaned_data
    members = chosen["group"].members.active().select_related("athlete").order_by("athlete__display_name", "pk")
    from_week, to_week = (week_of(chosen[name], form.starts_on) for name in ("from_day", "to_day"))
    return planning.copies(chosen["source"], from_week, list(members), to_week)


def _copy_page(
    request: HttpRequest, form: CopyWeekForm, *, rows: Sequence[planning.Copy] | None = None, status: int = 200
) -> HttpResponse:
    context = {
        "form": form,
        "rows": rows,
        "new_n": sum(not row.stands for row in rows or ()),
        "section": "calendar",
    }
    return render(request, "coaching/calendar_copy.html", context, status=status)


def _span(request: HttpRequest, here: date, starts_on: int) -> Span:
    day = a_day(request.GET.get("day", "")) or here
    if request.GET.get("view") == "month":
        return Span("month", day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1]))
    first = week_of(day, starts_on)
    return Span("week", first, first + WEEK - timedelta(days=1))


def _row(link: CoachingLink, columns: Sequence[Day], days: Mapping[tuple[int, date], Sequence[Session]]) -> Row:
    return Row(link, [(day, days.get((link.athlete_id, day.on), ())) for day in columns])


def _back(request: HttpRequest, share: Share, *, by_coach: bool) -> str:
    """Where the person came from, a page of ours only."""
    asked = request.POST.get("back") or request.GET.get("back") or ""
    if asked.startswith("/") and url_has_allowed_host_and_scheme(asked, allowed_hosts=None):
        return asked.partition("#")[0]
    day = share.scheduled_for
    page = "coaching:calendar" if by_coach else "coaching:week"
    return reverse(page, query={"day": day.isoformat()} if day else {})
