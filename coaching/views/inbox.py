from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import signed_in
from coaching.models import Share, ShareStatus
from coaching.services import delivering, sharing
from integrations.models import Connection


@require_GET
def inbox(request: HttpRequest) -> HttpResponse:
    """Offers to answer, then what is on its way or on the watch; the list updates itself."""
    athlete = signed_in(request)
    context = {
        "offers": Share.objects.inbox(athlete).select_related("revision", "link__coach", "link__athlete"),
        "accepted": Share.objects.for_athlete(athlete).filter(status=ShareStatus.ACCEPTED).ledger()[:25],
        "connected": Connection.objects.for_user(athlete).active().exists(),
        "section": "inbox",
    }
    polled = request.htmx and not request.htmx.boosted  # type: ignore[attr-defined]
    return render(request, "coaching/inbox.html#accepted" if polled else "coaching/inbox.html", context)


@require_GET
def offer(request: HttpRequest, share_id: UUID) -> HttpResponse:
    found = get_object_or_404(Share.objects.for_athlete(signed_in(request)).ledger(), public_id=share_id)
    if not found.stands:
        return render(request, "coaching/offer_gone.html", {"share": found, "section": "inbox"}, status=410)
    connected = Connection.objects.for_user(signed_in(request)).active().exists()
    checked = sharing.preflight(found.revision, links=[found.link])[0]
    context = {
        "share": found,
        "connected": connected,
        "check": checked,
        "may_retry": found.delivery and delivering.may_retry(found.delivery, found, by=signed_in(request)),
        "section": "inbox",
    }
    return render(request, "coaching/offer.html", context)


@require_POST
def import_workout(request: HttpRequest, share_id: UUID) -> HttpResponse:
    """Accept, once however often it is clicked; a share that no longer stands is gone and nothing is called."""
    found = get_object_or_404(Share.objects.for_athlete(signed_in(request)).ledger(), public_id=share_id)
    if not found.stands:
        return render(request, "coaching/offer_gone.html", {"share": found, "section": "inbox"}, status=410)
    if sharing.accept(found, by=signed_in(request)) is None:
        return render(request, "coaching/offer_gone.html", {"share": found, "section": "inbox"}, status=410)
    return redirect("coaching:offer", share_id=share_id)


@require_POST
def import_all(request: HttpRequest) -> HttpResponse:
    athlete = signed_in(request)
    count = sum(sharing.accept(found, by=athlete) is not None for found in Share.objects.inbox(athlete)[:100])
    words = ngettext("%(n)s workout on the way to your account.", "%(n)s workouts on the way to your account.", count)
    messages.success(request, words % {"n": count})
    return redirect("coaching:inbox")


@require_POST
def decline(request: HttpRequest, share_id: UUID) -> HttpResponse:
    found = get_object_or_404(Share.objects.for_athlete(signed_in(request)), public_id=share_id)
    if sharing.decline(found, by=signed_in(request)):
        messages.success(request, gettext("Declined. Your coach sees that you will not do it."))
    return redirect("coaching:inbox")


@require_POST
def retry(request: HttpRequest, share_id: UUID) -> HttpResponse:
    found = get_object_or_404(Share.objects.for_athlete(signed_in(request)).ledger(), public_id=share_id)
    if found.delivery and delivering.retry(found.delivery, by=signed_in(request)):
        messages.success(request, gettext("Trying again."))
    return redirect("coaching:offer", share_id=share_id)
