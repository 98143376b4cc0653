"""Forms of allauth where ours are stricter."""

from typing import Any

from allauth.account.forms import RequestLoginCodeForm
from allauth.socialaccount.forms import DisconnectForm
from allauth.socialaccount.internal.flows import connect
from allauth.socialaccount.models import SocialAccount, SocialApp
from allauth.socialaccount.providers import registry
from allauth.usersessions.models import UserSession
from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from accounts import newcomers
from accounts.models import User


class LoginCodeForm(RequestLoginCodeForm):  # type: ignore[misc]  # allauth has no types
    def clean_email(self) -> str:
        """A code proves the mailbox, and must not open what somebody else prepared for it."""
        if email := self.cleaned_data["email"]:
            newcomers.make_way(email)
        return str(super().clean_email())


class DisconnectLoginForm(DisconnectForm):  # type: ignore[misc]
    """Two windows at once do not close the last two doors: each looks again while the other waits."""

    def save(self) -> None:
        with transaction.atomic():
            User.objects.select_for_update().get(pk=self.request.user.pk)
            account = self.accounts.filter(pk=self.cleaned_data["account"].pk).first()
            if account is None:
                return
            try:
                connect.validate_disconnect(self.request, account)
            except ValidationError:
                return
            self._name_provider(account)
            connect.disconnect(self.request, account)

    def _name_provider(self, account: SocialAccount) -> None:
        """Also of a provider that is switched off, which allauth would not find."""
        kind = registry.get_class(account.provider)
        account._provider = kind(self.request, app=SocialApp(provider=account.provider))


class EndSessionForm(forms.Form):
    """One of my own login sessions, all others, or really all."""

    OTHERS, EVERYWHERE = "others", "everywhere"
    session = forms.ModelChoiceField(queryset=UserSession.objects.none(), required=False)
    which = forms.ChoiceField(choices=[(OTHERS, OTHERS), (EVERYWHERE, EVERYWHERE)], required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["session"].queryset = UserSession.objects.filter(user=user)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not cleaned.get("session") and not cleaned.get("which"):
            raise forms.ValidationError(gettext("Choose a session."))
        return cleaned
