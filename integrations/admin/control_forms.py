"""Forms for maintenance windows and feature flags. Their errors say in words what does not go together."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime
from django.utils import formats, timezone

from integrations.models import FeatureFlag, MaintenanceWindow, Provider

if TYPE_CHECKING:  # generic for the type checker only
    FlagForm = forms.ModelForm[FeatureFlag]
    WindowForm = forms.ModelForm[MaintenanceWindow]
else:
    FlagForm = WindowForm = forms.ModelForm

DRAIN = timedelta(minutes=15)
HELP = {field.name: str(field.help_text) for field in MaintenanceWindow._meta.concrete_fields}
REASON = "One sentence for the audit log. No secrets."


class FeatureFlagForm(FlagForm):
    reason = forms.CharField(min_length=5, max_length=200, help_text=REASON)

    class Meta:
        model = FeatureFlag
        fields = ("description", "enabled", "percentage")
        help_texts = {
            "enabled": "Switched off, nobody has it, whatever the percentage.",
            "percentage": "Of all people, 0 to 100. Whoever is in stays in while it grows.",
        }


class MaintenanceWindowForm(WindowForm):
    announce_at = forms.SplitDateTimeField(
        required=False, widget=AdminSplitDateTime, label="Announce", help_text=HELP["announce_at"] + " Empty: now."
    )
    drain_at = forms.SplitDateTimeField(
        required=False,
        widget=AdminSplitDateTime,
        label="Drain",
        help_text=HELP["drain_at"] + " Empty: 15 minutes before the start.",
    )
    reason = forms.CharField(min_length=5, max_length=200, help_text=REASON)

    class Meta:
        model = MaintenanceWindow
        fields = ("provider", "message", "announce_at", "drain_at", "starts_at", "ends_at")
        labels = {"starts_at": "Start", "ends_at": "End"}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for check in (self._fill_in, self._check_past, self._check_order, self._check_overlap):
            if not self.errors:  # a field with an error is no longer in `cleaned`
                check(cleaned)
        return cleaned

    def _fill_in(self, times: dict[str, Any]) -> None:
        """What was left empty; a start that is near shortens the drain."""
        now = timezone.now()
        times["drain_at"] = times["drain_at"] or max(times["starts_at"] - DRAIN, min(now, times["starts_at"]))
        times["announce_at"] = times["announce_at"] or min(now, times["drain_at"])

    def _check_past(self, times: dict[str, Any]) -> None:
        for name in ("drain_at", "starts_at", "ends_at"):
            if name in self.changed_data and times[name] < timezone.now():
                self.add_error(name, f"This is in the past; it is {_clock(timezone.now())} now.")

    def _check_order(self, times: dict[str, Any]) -> None:
        announce, drain, start, end = (times[name] for name in ("announce_at", "drain_at", "starts_at", "ends_at"))
        if announce > drain:
            self.add_error("announce_at", f"Choose a time up to the drain, {_clock(drain)}.")
        if drain > start:
            self.add_error("drain_at", f"Choose a time up to the start, {_clock(start)}.")
        if start >= end:
            self.add_error("ends_at", f"Choose an end after the start, {_clock(start)}.")

    def _check_overlap(self, times: dict[str, Any]) -> None:
        """Under the provider's lock, held until the admin's transaction ends: two forms at once do not slip through."""
        chosen = times.get("provider") or self.instance.provider
        provider = Provider.objects.select_for_update(no_key=True).get(pk=chosen.pk)
        others = MaintenanceWindow.objects.overlapping(provider, times["drain_at"], times["ends_at"])
        if other := others.exclude(pk=self.instance.pk).first():
            when = f"{_clock(other.drain_at)} to {_clock(other.ends_at)}"
            self.add_error(None, f"{provider} has another maintenance then: {when}. Move this one, or cancel that one.")


def _clock(at: datetime) -> str:
    return str(formats.date_format(timezone.localtime(at), "j M Y, H:i"))
