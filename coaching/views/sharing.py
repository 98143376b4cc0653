from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import signed_in
from coaching.forms import DeliveryFilterForm, ShareForm
from coaching.models import CoachingLink, Group, Share, Workout
from coaching.permissions import coach_required
from coaching.services import delivering, sharing
from coaching.views.limits import over_limit
from integrations import errors

PAGE = 25


@require_http_methods(["GET", "POST"])
@coach_required
def share(request: HttpRequest, workout_id: UUID) -> HttpResponse:
    coach = signed_in(request)
    workout = get_object_or_404(Workout.objects.library(coach), public_id=workout_id)
    assert workout.current  # the library holds no other
    links = CoachingLink.objects.active_for_coach(coach).order_by("athlete__display_name", "pk")
    groups = Group.objects.for_coach(coach)
    form = ShareForm(request.POST if request.method == "POST" else None, links=links, groups=groups)
    if request.method == "GET" or not form.is_valid():
        return _share_page(request, workout, form)
    targets, message = form.cleaned_data["targets"], form.cleaned_data["message"]
    try:
        made = sharing.share_workout(workout.current, targets=targets, message=message, by=coach)
    except errors.ThrottledError as exc:
        form.add_error(None, exc.message)
        return over_limit(_share_page(request, workout, form), exc)
    return _shared(request, workout, made)


def _share_page(request: HttpRequest, workout: Workout, form: ShareForm) -> HttpResponse:
    assert workout.current
    checked = sharing.preflight(workout.current, links=list(form.links))
    cautions = sorted({check.caution for check in checked if check.caution})
    context = {
        "workout": workout,
        "form": form,
        "groups": form.groups.with_size(),
        "preflight": checked,
        "cautions": cautions,
        "section": "library",
    }
    return render(request, "coaching/share.html", context)


def _shared(request: HttpRequest, workout: Workout, made: int) -> HttpResponse:
    shared = ngettext("Shared with %(n)s athlete.", "Shared with %(n)s athletes.", made) % {"n": made}
    words = shared if made else gettext("They all had this workout already.")
    messages.success(request, words)
    return redirect("coaching:workout", workout_id=workout.public_id)


@require_GET
@coach_required
def deliveries(request: HttpRequest) -> HttpResponse:
    form = DeliveryFilterForm(request.GET)
    chosen = form.chosen()
    shares = Share.objects.for_coach(signed_in(request)).ledger().filtered(**chosen)
    context = {
        "form": form,
        "filtered": any(chosen.values()),
        "page": Paginator(shares, PAGE).get_page(request.GET.get("page")),
        "section": "deliveries",
    }
    polled = request.htmx and not request.htmx.boosted  # type: ignore[attr-defined]
    return render(request, "coaching/deliveries.html#ledger" if polled else "coaching/deliveries.html", context)


@require_GET
@coach_required
def delivery(request: HttpRequest, share_id: UUID) -> HttpResponse:
    """Everything that happened with one athlete's copy."""
    found = get_object_or_404(Share.objects.for_coach(signed_in(request)).ledger(), public_id=share_id)
    context = {
        "share": found,
        "attempts": found.delivery.attempts_made.all() if found.delivery else [],
        "may_retry": found.delivery and delivering.may_retry(found.delivery, found, by=signed_in(request)),
        "section": "deliveries",
    }
    return render(request, "coaching/delivery.html", context)


@require_POST
@coach_required
def withdraw(request: HttpRequest, share_id: UUID) -> HttpResponse:
    found = get_object_or_404(Share.objects.for_coach(signed_in(request)), public_id=share_id)
    if sharing.withdraw(found, by=signed_in(request), remove_remote=request.POST.get("remove") == "on"):
        messages.success(request, gettext("Withdrawn."))
    else:
        messages.info(request, gettext("It was already withdrawn or declined."))
    return redirect("coaching:delivery", share_id=share_id)


@require_POST
@coach_required
def retry(request: HttpRequest, share_id: UUID) -> HttpResponse:
    found = get_object_or_404(Share.objects.for_coach(signed_in(request)).ledger(), public_id=share_id)
    if found.delivery and delivering.retry(found.delivery, by=signed_in(request)):
        messages.success(request, gettext("Trying again."))
    else:
        messages.info(request, gettext("There is nothing to try again."))
    return redirect("coaching:delivery", share_id=share_id)
