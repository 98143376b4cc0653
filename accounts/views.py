from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext, override
from django.views.decorators.http import require_http_methods, require_POST

from accounts import audit
from accounts.forms import SettingsForm
from accounts.models import User
from accounts.permissions import signed_in


@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    form = SettingsForm(request.POST or None, instance=User.objects.get(pk=signed_in(request).pk))
    if request.method == "POST" and form.is_valid():
        with override(form.save().language):  # the next page speaks it already
            messages.success(request, gettext("Saved."))
        return redirect("accounts:settings")
    return render(request, "account/settings.html", {"form": form, "section": "account"})


@require_POST
def start_coaching(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    if not user.is_coach:
        User.objects.start_coaching(user)
        audit.record("user.started_coaching", user, actor=user)
        messages.success(request, gettext("You can coach now. Connect your account first, then invite your athletes."))
    following = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(following, allowed_hosts=None)
    return redirect(following if safe else "/")
