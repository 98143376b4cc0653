from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from coaching import preferences
from coaching.models import Channel, NotificationTimes

COLUMNS = {Channel.IN_APP: _("On the page"), Channel.EMAIL: _("By mail"), Channel.DIGEST: _("In the daily mail")}


class ChoicesForm(forms.Form):
    """A row for each kind of message, a box for each channel."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = preferences.choices_of(user)
        for code, kind in preferences.kinds_for(user).items():
            for channel, words in COLUMNS.items():
                self.fields[f"{code}-{channel}"] = forms.BooleanField(
                    required=False,
                    label=f"{kind.label}: {words.lower()}",
                    initial=channel in chosen[code],
                    widget=forms.CheckboxInput(),
                )
        self.kinds = preferences.kinds_for(user)

    @property
    def rows(self) -> list[tuple[str, list[Any]]]:
        return [
            (str(kind.label), [self[f"{code}-{channel}"] for channel in COLUMNS]) for code, kind in self.kinds.items()
        ]

    def choices(self) -> dict[str, frozenset[str]]:
        return {
            code: frozenset(str(channel) for channel in COLUMNS if self.cleaned_data[f"{code}-{channel}"])
            for code in self.kinds
        }


class TimesForm(forms.ModelForm):  # type: ignore[type-arg]  # Django itself does not know the brackets
    class Meta:
        model = NotificationTimes
        fields = ["quiet_from", "quiet_to", "digest_at"]
        labels = {"quiet_from": _("No mails from"), "quiet_to": _("until"), "digest_at": _("The daily mail at")}
        help_texts = {"quiet_to": _("Leave both empty to get mails at any time. By your own clock.")}
        widgets = {name: forms.TimeInput(format="%H:%M", attrs={"type": "time"}) for name in fields}

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if (values.get("quiet_from") is None) != (values.get("quiet_to") is None):
            raise forms.ValidationError(gettext("Say when the quiet hours begin and when they end, or neither."))
        return values
