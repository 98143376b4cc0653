from hashlib import sha256

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST, require_safe

from accounts.permissions import signed_in
from coaching import ical
from coaching.models import CalendarFeed, CoachingLink
from coaching.services import feeding

NAMES = {"mine": _("My training"), "athletes": _("My athletes")}


@require_GET
def feed_settings(request: HttpRequest) -> HttpResponse:
    return _settings(request)


@require_POST
def renew_feed(request: HttpRequest) -> HttpResponse:
    """The one answer that shows the address; nothing else can tell it again."""
    return _settings(request, token=feeding.renew(signed_in(request)))


@require_POST
def revoke_feed(request: HttpRequest) -> HttpResponse:
    feeding.revoke(signed_in(request))
    messages.success(request, gettext("Ended. Calendars that read the address get nothing any more."))
    return redirect("coaching:feed_settings")


@require_safe
@login_not_required
def feed(request: HttpRequest, token: str, what: str) -> HttpResponse:
    """What calendars read: the token is the permission, and whatever is wrong with it is answered alike."""
    found = feeding.feed_of(token)
    if found is None or what not in NAMES or (what == "athletes" and not found.user.is_coach):
        raise Http404
    user = found.user
    with override(user.language):
        content = ical.written(
            feeding.own_plan(user) if what == "mine" else feeding.roster_plan(user),
            name=str(NAMES[what]),
            zone=user.time_zone,
            host=request.get_host(),
            units=user.units,
            with_athlete=what == "athletes",
        )
    feeding.note_read(found)
    etag = quote_etag(sha256(content).hexdigest()[:32])
    answer = get_conditional_response(request, etag=etag)
    if answer is None:
        answer = HttpResponse(content, content_type="text/calendar; charset=utf-8")
        answer["Content-Disposition"] = f'inline; filename="{what}.ics"'
    answer["ETag"] = etag
    answer["Cache-Control"] = "private, no-cache"
    answer["Referrer-Policy"] = "no-referrer"
    return answer


def _settings(request: HttpRequest, *, token: str = "") -> HttpResponse:
    user = signed_in(request)
    addresses = []
    if token:
        wanted = [what for what in NAMES if what == "mine" or user.is_coach]
        pages = {what: reverse("coaching:feed", args=[token, what]) for what in wanted}
        addresses = [(NAMES[what], request.build_absolute_uri(page)) for what, page in pages.items()]
    context = {
        "feed": CalendarFeed.objects.filter(user=user).first(),
        "addresses": addresses,
        "has_coach": CoachingLink.objects.active().filter(athlete=user).exists(),
        "section": "account",
    }
    return render(request, "coaching/feed.html", context)
