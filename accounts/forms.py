from typing import Any
from zoneinfo import available_timezones

from django import forms

from accounts.models import User


class SettingsForm(forms.ModelForm):  # type: ignore[type-arg]  # Django itself does not know the brackets
    """How the product speaks to this person."""

    time_zone = forms.ChoiceField(
        label="Time zone",
        choices=lambda: [
            (name, name.replace("_", " ")) for name in sorted(available_timezones()) if "/" in name or name == "UTC"
        ],
        help_text="Days and times are shown in this zone; workouts are planned for your local date.",
    )

    class Meta:
        model = User
        fields = ["display_name", "language", "time_zone", "units", "week_start", "theme"]
        labels = {"display_name": "Your name", "units": "Units", "week_start": "Weeks begin on"}
        help_texts = {"display_name": "Your coach and your athletes see this."}

    def clean_display_name(self) -> Any:
        return " ".join(str(self.cleaned_data["display_name"]).split())
