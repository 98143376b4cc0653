"""The page where people make and end keys for scripts."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts import personal_tokens
from accounts.confirming import freshly_confirmed
from accounts.forms import TokenForm
from accounts.models import AccessToken
from accounts.permissions import signed_in

SHOWN = 50


@require_http_methods(["GET", "POST"])
@freshly_confirmed
def tokens(request: HttpRequest) -> HttpResponse:
    """The new token stands in the answer to the post that made it, and nowhere after."""
    user = signed_in(request)
    form = TokenForm(request.POST or None)
    made = None
    if request.method == "POST" and form.is_valid():
        try:
            made = personal_tokens.make(user, **form.cleaned_data)
            form = TokenForm()
        except ValidationError as exc:
            form.add_error(None, exc)
    own = AccessToken.objects.for_user(user)
    context = {"form": form, "made": made, "tokens": own[:SHOWN], "usable": set(own.usable()), "section": "account"}
    return render(request, "account/tokens.html", context)


@require_POST
def revoke_token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    found = get_object_or_404(AccessToken.objects.for_user(signed_in(request)), public_id=token_id)
    personal_tokens.revoke(found, by=signed_in(request))
    messages.success(request, gettext("Revoked. Nothing gets in with %(name)s any more.") % {"name": found.name})
    return redirect("accounts:tokens")
