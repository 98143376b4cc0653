from typing import Any

from django import forms
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from coaching.files.reading import MOST_BYTES, too_large
from coaching.forms import sport_choices


class ActivityFilterForm(forms.Form):
    """The list's filters; anything unknown in the address is ignored, never an error."""

    sport = forms.ChoiceField(label=_("Sport"), required=False, choices=sport_choices)
    first = forms.DateField(label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(label=_("To"), required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def lookups(self) -> dict[str, Any]:
        self.is_valid()
        wanted = {"sport": "sport", "first": "day__gte", "last": "day__lte"}
        return {lookup: value for name, lookup in wanted.items() if (value := self.cleaned_data.get(name))}


class UploadForm(forms.Form):
    file = forms.FileField(
        label=_("File"),
        allow_empty_file=True,  # the reader says it in better words
        max_length=255,
        widget=forms.ClearableFileInput(
            attrs={
                "accept": ".fit,.tcx,.gpx,.zip",
                "data-most-bytes": MOST_BYTES,
                "data-too-large": lazy(too_large, str)(),  # said before it is sent, where scripts run
            }
        ),
        help_text=format_lazy(
            _("FIT, TCX or GPX, or a zip of up to 20 of them; at most {megabytes} MB."), megabytes=MOST_BYTES >> 20
        ),
    )
