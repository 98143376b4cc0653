"""The invited person's side. The token leaves the address at once: from then on the session knows the invitation."""

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import signed_in
from coaching.forms import ConsentForm
from coaching.models import Invitation, Scope
from coaching.services import inviting
from integrations import errors

SESSION_KEY = "invitation"


@require_GET
@login_not_required
@never_cache
def arrive(request: HttpRequest, token: str) -> HttpResponse:
    """The link of the mail. Unknown, used, expired and revoked ones look alike."""
    found = inviting.find(token)
    if found is None:
        return _gone(request)
    request.session[SESSION_KEY] = str(found.public_id)
    return redirect("coaching:invitation")


@require_GET
@login_not_required
@never_cache
def invitation(request: HttpRequest) -> HttpResponse:
    """Who invites and what will be shared; works signed out, and sign-up leads back here."""
    found = _waiting(request)
    if found is None:
        return _gone(request)
    form = ConsentForm(initial={"scopes": [Scope.ACTIVITIES]})
    return render(request, "coaching/invitation.html", {"invitation": found, "form": form})


@require_POST
def accept(request: HttpRequest) -> HttpResponse:
    found, form = _waiting(request), ConsentForm(request.POST)
    if found is None or not form.is_valid():
        return _gone(request)
    try:
        inviting.accept(found, athlete=signed_in(request), **form.cleaned_data)
    except errors.IntegrationError as exc:
        messages.error(request, exc.message)
        return redirect("coaching:invitation")
    del request.session[SESSION_KEY]
    messages.success(
        request,
        gettext("You train with %(coach)s now. Connect your account, and workouts reach your watch.")
        % {"coach": found.coach},
    )
    return redirect("coaching:home")


@require_POST
@login_not_required
def decline(request: HttpRequest) -> HttpResponse:
    if found := _waiting(request):
        inviting.decline(found)
    request.session.pop(SESSION_KEY, None)
    return render(request, "coaching/invitation_declined.html")


@require_POST
@login_not_required
def report(request: HttpRequest) -> HttpResponse:
    """The person does not know this coach: it is declined, and the coach can never write to this address again."""
    reported = bool((found := _waiting(request)) and inviting.report(found))
    request.session.pop(SESSION_KEY, None)
    return render(request, "coaching/invitation_declined.html", {"reported": reported})


def _waiting(request: HttpRequest) -> Invitation | None:
    public_id = request.session.get(SESSION_KEY)
    return Invitation.objects.open().filter(public_id=public_id).select_related("coach").first() if public_id else None


def _gone(request: HttpRequest) -> HttpResponse:
    request.session.pop(SESSION_KEY, None)
    return render(request, "coaching/invitation_gone.html", status=404)
