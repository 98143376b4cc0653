from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import signed_in
from coaching.forms import LibraryFilterForm
from coaching.models import Share, Workout
from coaching.permissions import coach_required
from coaching.services import library as library_service
from coaching.services import sharing
from integrations.models import Connection, Resource, SyncStream
from integrations.services import scheduling

PAGE = 24


@require_GET
@coach_required
def library(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    form = LibraryFilterForm(request.GET)
    chosen = form.chosen()
    workouts = Workout.objects.library(user).search(**chosen).annotate(shared_n=Count("shares"))
    context = {
        "form": form,
        "filtered": any(chosen.values()),
        "page": Paginator(workouts.order_by("-updated_at", "-pk"), PAGE).get_page(request.GET.get("page")),
        "streams": _streams(request),
        "section": "library",
    }
    template = "coaching/library.html#results" if request.htmx and not request.htmx.boosted else "coaching/library.html"  # type: ignore[attr-defined]
    return render(request, template, context)


@require_GET
@coach_required
def library_status(request: HttpRequest) -> HttpResponse:
    """The panel that follows a running sync; the page asks for it while something moves."""
    return render(request, "coaching/_library_status.html", {"streams": _streams(request), "polled": True})


@require_POST
@coach_required
def sync_library(request: HttpRequest) -> HttpResponse:
    for stream in _streams(request):
        if stream.connection.status == Connection.Status.ACTIVE:
            scheduling.request_sync(stream, trigger="manual", by=signed_in(request))
    return redirect("coaching:library")


@require_GET
@coach_required
def workout(request: HttpRequest, workout_id: UUID) -> HttpResponse:
    found = get_object_or_404(Workout.objects.library(signed_in(request)), public_id=workout_id)
    revisions = list(found.revisions.order_by("-number"))
    wanted = request.GET.get("revision", "")
    shown = next((r for r in revisions if str(r.number) == wanted), found.current)
    shares = Share.objects.for_coach(signed_in(request)).filter(workout=found).ledger()[:50]
    context = {
        "workout": found,
        "revision": shown,
        "revisions": revisions,
        "caution": sharing.caution(found.source.provider.slug, shown) if found.source and shown else "",
        "shares": shares,
        "section": "library",
    }
    return render(request, "coaching/workout.html", context)


@require_POST
@coach_required
def archive(request: HttpRequest, workout_id: UUID) -> HttpResponse:
    found = get_object_or_404(Workout.objects.library(signed_in(request)), public_id=workout_id)
    library_service.archive(found, by=signed_in(request))
    messages.success(request, gettext("Taken out of your library. What you shared stays with your athletes."))
    return redirect("coaching:library")


def _streams(request: HttpRequest) -> list[SyncStream]:
    streams = SyncStream.objects.filter(connection__user=signed_in(request), resource=Resource.WORKOUTS).exclude(
        connection__status="disconnected"
    )
    return list(streams.select_related("connection__provider", "connection__user"))
