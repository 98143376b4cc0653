"""Pages about logins that allauth lacks, or has without asking who is there."""

from allauth.account.internal.flows.logout import logout
from allauth.account.views import password_set
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods

from accounts import audit
from accounts.confirming import freshly_confirmed
from accounts.login_forms import EndSessionForm
from accounts.models import User
from accounts.permissions import signed_in

set_password = freshly_confirmed(password_set)


@require_GET
def log_in_again(request: HttpRequest) -> HttpResponse:
    """For those with neither password nor second factor: they show who they are where they came from."""
    names = SocialAccount.objects.filter(user=signed_in(request)).values_list("provider", flat=True)
    context = {"mine": list(names), "next": request.GET.get("next", ""), "section": "account"}
    return render(request, "account/log_in_again.html", context)


@require_http_methods(["GET", "POST"])
def sessions(request: HttpRequest) -> HttpResponse:
    """Where I am logged in; a session that is ended is a stranger's at its next request."""
    user = signed_in(request)
    if request.method == "GET":
        found = sorted(UserSession.objects.purge_and_list(user), key=lambda entry: entry.created_at, reverse=True)
        return render(request, "usersessions/usersession_list.html", {"sessions": found, "section": "account"})
    form = EndSessionForm(request.POST, user=user)
    if not form.is_valid():
        messages.error(request, gettext("That session is over already."))
        return redirect("accounts:sessions")
    return _end(request, user, form)


def _end(request: HttpRequest, user: User, form: EndSessionForm) -> HttpResponse:
    chosen, which = form.cleaned_data["session"], form.cleaned_data["which"]
    own = UserSession.objects.filter(user=user)
    ended = [chosen] if chosen else [entry for entry in own if which == form.EVERYWHERE or not entry.is_current()]
    leaves = any(entry.is_current() for entry in ended)
    get_adapter().end_sessions(ended)
    audit.record("user.sessions_ended", user, actor=user, level="security", count=len(ended), which=which or "one")
    if leaves:
        logout(request)
        return redirect("account_login")
    words = ngettext("%(n)s session ended.", "%(n)s sessions ended.", len(ended)) % {"n": len(ended)}
    messages.success(request, words)
    return redirect("accounts:sessions")
