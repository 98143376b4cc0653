from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import TokenScope, User


class SettingsForm(forms.ModelForm):  # type: ignore[type-arg]  # Django itself does not know the brackets
    """How the product speaks to this person."""

    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=lambda: [
            (name, name.replace("_", " ")) for name in sorted(available_timezones()) if "/" in name or name == "UTC"
        ],
        help_text=_("Days and times are shown in this zone; workouts are planned for your local date."),
    )

    class Meta:
        model = User
        fields = ["display_name", "language", "time_zone", "units", "week_start", "theme"]
        labels = {
            "display_name": _("Your name"),
            "language": _("Language"),
            "units": _("Units"),
            "week_start": _("Weeks begin on"),
            "theme": _("Theme"),
        }
        help_texts = {"display_name": _("Your coach and your athletes see this.")}

    def clean_display_name(self) -> Any:
        return " ".join(str(self.cleaned_data["display_name"]).split())


class TokenForm(forms.Form):
    """What a new key for a script may do, and for how long."""

    name = forms.CharField(
        label=_("Name"), max_length=80, help_text=_("So that you know it again: what uses it, and where."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": _("Weekly planning script")}),
    )  # fmt: skip
    scopes = forms.MultipleChoiceField(
        label=_("It may"),
        choices=TokenScope.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("As little as it needs."),
    )
    days = forms.TypedChoiceField(
        label=_("It works for"),
        coerce=int,
        choices=[(7, _("7 days")), (30, _("30 days")), (90, _("90 days")), (365, _("1 year"))],
        initial=90,
    )

    def clean_name(self) -> str:
        return " ".join(str(self.cleaned_data["name"]).split())
