from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import signed_in
from coaching import sessions
from coaching.forms import InvitationForm, consent_form_for
from coaching.models import CoachingLink, ConsentEntry, Invitation
from coaching.permissions import coach_required
from coaching.plan_forms import RosterFilterForm
from coaching.services import attention, grouping, inviting
from coaching.sessions import Session
from coaching.views.limits import over_limit
from coaching.views.slices import slice_of
from coaching.weeks import today_of
from integrations import errors

PAGE = 25
STRIP_DAYS = 7
LEDGER_SHOWN = 50


@require_GET
@coach_required
def athletes(request: HttpRequest) -> HttpResponse:
    """Everybody who trains with the coach: account, last activity, the last seven days, what comes next."""
    coach = signed_in(request)
    form = RosterFilterForm(request.GET)
    links = form.narrow(grouping.with_groups(attention.watched(coach), coach))
    page = slice_of(links, request.GET.get("page"), PAGE)
    form.offer(page.rows)
    here = today_of(coach)
    first, last = here - timedelta(days=STRIP_DAYS), here + timedelta(days=1)  # an athlete's own day differs by one
    days = sessions.of_links(coach, page.rows, first, last)
    context: dict[str, Any] = {
        "form": form,
        "filtered": form.is_narrow,
        "page": page,
        "rows": [(link, _strip(link, days)) for link in page],
        "section": "athletes",
    }
    return render(request, "coaching/athletes.html", context)


@require_http_methods(["GET", "POST"])
@coach_required
def invite(request: HttpRequest) -> HttpResponse:
    form = InvitationForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            invitation, token = inviting.invite(signed_in(request), form.cleaned_data["email"])
        except errors.ThrottledError as exc:
            form.add_error("email", exc.message)
            return over_limit(_invitations(request, form), exc)
        except errors.IntegrationError as exc:
            form.add_error("email", exc.message)
        else:
            return _invitations(request, InvitationForm(), fresh=(invitation, _address(request, token)))
    return _invitations(request, form)


@require_POST
@coach_required
def resend(request: HttpRequest, invitation_id: UUID) -> HttpResponse:
    found = _own_invitation(request, invitation_id)
    try:
        token = inviting.resend(found, by=signed_in(request))
    except errors.IntegrationError as exc:
        messages.error(request, exc.message)
        return redirect("coaching:invite")
    found.refresh_from_db()
    messages.success(request, gettext("There is a new link. The earlier one no longer works."))
    return _invitations(request, InvitationForm(), fresh=(found, _address(request, token)))


@require_POST
@coach_required
def revoke(request: HttpRequest, invitation_id: UUID) -> HttpResponse:
    inviting.revoke(_own_invitation(request, invitation_id), by=signed_in(request))
    messages.success(request, gettext("Revoked. The link no longer works."))
    return redirect("coaching:invite")


@require_POST
def end(request: HttpRequest, link_id: UUID) -> HttpResponse:
    """Either side ends it; nothing that is queued happens any more."""
    user = signed_in(request)
    link = get_object_or_404(CoachingLink.objects.for_user(user).active(), public_id=link_id)
    inviting.end_link(link, by=user)
    messages.success(request, gettext("Ended. Neither of you sees anything new of the other from now on."))
    return redirect("coaching:athletes" if link.coach_id == user.pk else "coaching:coaches")


@require_GET
def coaches(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    links = CoachingLink.objects.active().filter(athlete=user).select_related("coach")
    cards = [(link, consent_form_for(link)) for link in links]
    ledger = (
        ConsentEntry.objects.filter(link__athlete=user).select_related("link__coach").order_by("-pk")[:LEDGER_SHOWN]
    )
    return render(request, "coaching/coaches.html", {"cards": cards, "ledger": ledger, "section": "coaches"})


@require_POST
def consent(request: HttpRequest, link_id: UUID) -> HttpResponse:
    own = CoachingLink.objects.active().filter(athlete=signed_in(request))
    link = get_object_or_404(own, public_id=link_id)
    form = consent_form_for(link, request.POST)
    if not form.is_valid():
        raise Http404
    inviting.update_scopes(link, by=signed_in(request), **form.cleaned_data)
    messages.success(request, gettext("Saved. It holds from now on."))
    return redirect("coaching:coaches")


def _own_invitation(request: HttpRequest, invitation_id: UUID) -> Invitation:
    return get_object_or_404(Invitation.objects.pending_for_coach(signed_in(request)), public_id=invitation_id)


def _address(request: HttpRequest, token: str) -> str:
    return request.build_absolute_uri(reverse("coaching:arrive", args=[token]))


def _invitations(
    request: HttpRequest, form: InvitationForm, *, fresh: tuple[Invitation, str] | None = None
) -> HttpResponse:
    """`fresh`: an invitation that was made or renewed just now, and its link."""
    context: dict[str, Any] = {
        "form": form,
        "fresh": fresh,
        "invitations": Invitation.objects.pending_for_coach(signed_in(request)),
        "section": "athletes",
    }
    return render(request, "coaching/invite.html", context, status=400 if form.errors else 200)


def _strip(link: CoachingLink, days: Mapping[tuple[int, date], Sequence[Session]]) -> list[Any]:
    """The athlete's own last seven days, today last."""
    today = today_of(link.athlete)
    shown = [today - timedelta(days=ago) for ago in reversed(range(STRIP_DAYS))]
    return [(day, days.get((link.athlete_id, day), ())) for day in shown]
