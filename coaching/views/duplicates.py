"""Activities that two sources tell of, for their athlete to decide about; and a coach's bands."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import signed_in
from coaching.band_forms import BandsForm
from coaching.models import ComplianceBands, DuplicatePair
from coaching.permissions import coach_required
from coaching.services import duplicates
from integrations import errors

DECIDED_SHOWN = 20


@require_GET
def review(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    decided = DuplicatePair.objects.filter(athlete=user).exclude(state=DuplicatePair.State.OPEN)
    context = {
        "pairs": [(pair, duplicates.may_merge(pair.first, pair.second)) for pair in duplicates.open_pairs(user)],
        "decided": decided.select_related("first", "second").order_by("-decided_at")[:DECIDED_SHOWN],
        "section": "activities",
    }
    return render(request, "coaching/duplicates.html", context)


@require_POST
def decide(request: HttpRequest, pair_id: UUID) -> HttpResponse:
    """`decision` is merge, keep, undo, or hide_first and hide_second."""
    user = signed_in(request)
    pair = get_object_or_404(DuplicatePair.objects.select_related("first", "second"), public_id=pair_id, athlete=user)
    decisions = {
        "merge": lambda: duplicates.merge(pair, by=user),
        "keep": lambda: duplicates.keep_both(pair, by=user),
        "hide_first": lambda: duplicates.hide(pair, pair.first, by=user),
        "hide_second": lambda: duplicates.hide(pair, pair.second, by=user),
        "undo": lambda: duplicates.undo(pair, by=user),
    }
    act = decisions.get(request.POST.get("decision", ""))
    try:
        done = act() if act else False
    except errors.IntegrationError as exc:
        messages.error(request, exc.message)
    else:
        words = gettext("Saved.") if done else gettext("That was decided before.")
        messages.add_message(request, messages.SUCCESS if done else messages.INFO, words)
    return redirect("coaching:duplicates")


@require_http_methods(["GET", "POST"])
@coach_required
def bands(request: HttpRequest) -> HttpResponse:
    coach = signed_in(request)
    row = ComplianceBands.objects.filter(coach=coach).first() or ComplianceBands(coach=coach)
    form = BandsForm(request.POST if request.method == "POST" else None, instance=row)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, gettext("Saved. What you see is judged by them from now on."))
        return redirect("coaching:bands")
    return render(request, "coaching/bands.html", {"form": form, "section": "athletes"})
