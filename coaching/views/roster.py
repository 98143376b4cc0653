from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.permissions import signed_in
from coaching.forms import InvitationForm, consent_form_for
from coaching.models import CoachingLink, Invitation, Share
from coaching.permissions import coach_required
from coaching.services import inviting
from coaching.views.limits import over_limit
from integrations import errors


@require_GET
@coach_required
def athletes(request: HttpRequest) -> HttpResponse:
    return _roster(request, InvitationForm())


@require_POST
@coach_required
def invite(request: HttpRequest) -> HttpResponse:
    form = InvitationForm(request.POST)
    if form.is_valid():
        try:
            invitation, token = inviting.invite(signed_in(request), form.cleaned_data["email"])
        except errors.ThrottledError as exc:
            form.add_error("email", exc.message)
            return over_limit(_roster(request, form), exc)
        except errors.IntegrationError as exc:
            form.add_error("email", exc.message)
        else:
            return _roster(request, InvitationForm(), fresh=(invitation, _address(request, token)))
    return _roster(request, form)


@require_POST
@coach_required
def resend(request: HttpRequest, invitation_id: UUID) -> HttpResponse:
    found = _own_invitation(request, invitation_id)
    try:
        token = inviting.resend(found, by=signed_in(request))
    except errors.IntegrationError as exc:
        messages.error(request, exc.message)
        return redirect("coaching:athletes")
    found.refresh_from_db()
    messages.success(request, "There is a new link. The earlier one no longer works.")
    return _roster(request, InvitationForm(), fresh=(found, _address(request, token)))


@require_POST
@coach_required
def revoke(request: HttpRequest, invitation_id: UUID) -> HttpResponse:
    inviting.revoke(_own_invitation(request, invitation_id), by=signed_in(request))
    messages.success(request, "Revoked. The link no longer works.")
    return redirect("coaching:athletes")


@require_GET
@coach_required
def athlete(request: HttpRequest, link_id: UUID) -> HttpResponse:
    link = get_object_or_404(CoachingLink.objects.active_for_coach(signed_in(request)), public_id=link_id)
    shares = Share.objects.for_coach(signed_in(request)).filter(link=link).ledger()[:25]
    return render(request, "coaching/athlete.html", {"link": link, "shares": shares, "section": "athletes"})


@require_POST
def end(request: HttpRequest, link_id: UUID) -> HttpResponse:
    """Either side ends it; nothing that is queued happens any more."""
    user = signed_in(request)
    link = get_object_or_404(CoachingLink.objects.for_user(user).active(), public_id=link_id)
    inviting.end_link(link, by=user)
    messages.success(request, "Ended. Neither of you sees anything new of the other from now on.")
    return redirect("coaching:athletes" if link.coach_id == user.pk else "coaching:coaches")


@require_GET
def coaches(request: HttpRequest) -> HttpResponse:
    links = CoachingLink.objects.active().filter(athlete=signed_in(request)).select_related("coach")
    cards = [(link, consent_form_for(link)) for link in links]
    return render(request, "coaching/coaches.html", {"cards": cards, "section": "coaches"})


@require_POST
def consent(request: HttpRequest, link_id: UUID) -> HttpResponse:
    own = CoachingLink.objects.active().filter(athlete=signed_in(request))
    link = get_object_or_404(own, public_id=link_id)
    form = consent_form_for(link, request.POST)
    if not form.is_valid():
        raise Http404
    inviting.update_scopes(link, by=signed_in(request), **form.cleaned_data)
    messages.success(request, "Saved. It holds from now on.")
    return redirect("coaching:coaches")


def _own_invitation(request: HttpRequest, invitation_id: UUID) -> Invitation:
    return get_object_or_404(Invitation.objects.pending_for_coach(signed_in(request)), public_id=invitation_id)


def _address(request: HttpRequest, token: str) -> str:
    return request.build_absolute_uri(reverse("coaching:arrive", args=[token]))


def _roster(request: HttpRequest, form: InvitationForm, *, fresh: tuple[Invitation, str] | None = None) -> HttpResponse:
    """`fresh`: an invitation that was made or renewed just now, and its link."""
    coach: User = signed_in(request)
    context: dict[str, Any] = {
        "form": form,
        "fresh": fresh,
        "links": CoachingLink.objects.active_for_coach(coach).with_state().order_by("athlete__display_name", "pk"),
        "invitations": Invitation.objects.pending_for_coach(coach),
        "section": "athletes",
    }
    return render(request, "coaching/athletes.html", context, status=400 if form.errors else 200)
