"""What the product knows of me: a copy of it, and its end."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import logout
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import data_requests, privacy
from accounts.confirming import freshly_confirmed
from accounts.models import DataRequest, User
from accounts.permissions import signed_in

Kind, Status = DataRequest.Kind, DataRequest.Status


class ErasureForm(forms.Form):
    email = forms.CharField(
        label=_("Your email address"),
        help_text=_("Type it to say that you mean it."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_email(self) -> str:
        typed = str(self.cleaned_data["email"]).strip()
        if typed.lower() != self.user.email.lower():
            raise forms.ValidationError(gettext("This is not the address you log in with."))
        return typed


@require_GET
def my_data(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    export = DataRequest.objects.filter(user=user, kind=Kind.EXPORT).order_by("-pk").first()
    going = export is not None and export.status in {Status.WAITING, Status.WORKING}
    context = {"export": export, "going": going, "parts": [part.name for part in privacy.parts()], "section": "account"}
    return render(request, "account/_export.html" if request.htmx else "account/my_data.html", context)  # type: ignore[attr-defined]


@require_POST
@freshly_confirmed
def ask_for_copy(request: HttpRequest) -> HttpResponse:
    data_requests.ask(signed_in(request), Kind.EXPORT)
    return redirect("accounts:my_data")


@require_GET
@freshly_confirmed
def download(request: HttpRequest, request_id: str) -> FileResponse:
    mine = DataRequest.objects.filter(user=signed_in(request), kind=Kind.EXPORT, status=Status.DONE)
    export = get_object_or_404(mine.filter(expires_at__gt=timezone.now()), public_id=request_id)
    day = export.created_at.date().isoformat()
    return FileResponse(export.file.open(), as_attachment=True, filename=f"my-data-{day}.zip")


@require_http_methods(["GET", "POST"])
@freshly_confirmed
def delete_account(request: HttpRequest) -> HttpResponse:
    user = User.objects.get(pk=signed_in(request).pk)
    form = ErasureForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        data_requests.ask(user, Kind.ERASURE)
        logout(request)
        messages.success(
            request, gettext("Your account is closed. All of it is deleted within a day; a last mail says so.")
        )
        return redirect("account_login")
    return render(request, "account/delete.html", {"form": form, "section": "account"})
