"""Logging in with Google and GitHub, set up in the admin; and allauth's own pages, which show secrets, taken out."""

from typing import TYPE_CHECKING, Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from accounts.models import LoginApplication
from accounts.operations import OperationsAdmin
from accounts.permissions import signed_in

if TYPE_CHECKING:  # generic for the type checker only
    AnyForm = forms.ModelForm[LoginApplication]
else:
    AnyForm = forms.ModelForm

MAY_SET = "accounts.set_login_secrets"

admin.site.unregister(EmailAddress)  # allauth's page would hand an account to another address, without a trace
admin.site.unregister(Authenticator)  # allauth's pages show the seeds of second factors
admin.site.unregister(UserSession)  # and keys of sessions
for _model in (SocialAccount, SocialApp, SocialToken):  # and secrets of providers, and who is whom there
    admin.site.unregister(_model)


class LoginApplicationForm(AnyForm):
    new_client_secret = forms.CharField(
        required=False,
        max_length=500,
        label="New client secret",
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "size": 60}),
        help_text="Replaces the present one. It is sealed at once and never shown again.",
    )
    reason = forms.CharField(min_length=5, max_length=200, help_text="One sentence for the audit log. No secrets.")

    class Meta:
        model = LoginApplication
        fields = ("provider", "mode", "client_id")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        has_secret = cleaned.get("new_client_secret") or self.instance.client_secret
        if cleaned.get("mode") == LoginApplication.Mode.ON and not (cleaned.get("client_id") and has_secret):
            raise forms.ValidationError("To switch it on, give both the client id and the client secret.")
        return cleaned

    def save(self, commit: bool = True) -> LoginApplication:
        """Seals the secret. Called by the admin with `commit=False`, which saves the row itself."""
        if secret := self.cleaned_data.get("new_client_secret"):
            self.instance.seal_secret(secret)
        return super().save(commit)


@admin.register(LoginApplication)
class LoginApplicationAdmin(OperationsAdmin):
    """Where a row is on, the environment's values no longer count."""

    form = LoginApplicationForm
    is_editable = True
    list_display = ("provider", "mode", "client_id", "client_secret_is", "updated_at")
    fields = (
        "provider",
        "mode",
        "client_id",
        "client_secret_is",
        "new_client_secret",
        "callback",
        "updated_at",
        "reason",
    )
    readonly_fields = ("client_secret_is", "callback", "updated_at")

    def may_operate(self, request: HttpRequest) -> bool:
        return signed_in(request).has_perm(MAY_SET)

    def has_add_permission(self, request: HttpRequest, *_: Any, **__: Any) -> bool:
        return self.may_operate(request)

    def get_readonly_fields(self, _: HttpRequest, obj: LoginApplication | None = None) -> Any:
        """The sealed secret is bound to the provider."""
        return [*self.readonly_fields, *(["provider"] if obj else [])]

    @admin.display(description="client secret")
    def client_secret_is(self, row: LoginApplication) -> str:
        return f"set, fingerprint {row.fingerprint}" if row.client_secret else "not set"

    @admin.display(description="callback address, to be named at the provider")
    def callback(self, row: LoginApplication) -> str:
        return reverse(f"{row.provider}_callback") if row.provider else "/account/<provider>/login/callback/"
