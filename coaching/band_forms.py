from typing import Any

from django import forms

from coaching.models import ComplianceBands


class BandsForm(forms.ModelForm):  # type: ignore[type-arg]  # Django itself does not know the brackets
    class Meta:
        model = ComplianceBands
        fields = ["near_from", "on_from", "on_to", "near_to"]
        labels = {
            "near_from": "Near it from, in percent",
            "on_from": "On target from",
            "on_to": "On target up to",
            "near_to": "Near it up to",
        }

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        low, near, top, far = (values.get(name) for name in self.Meta.fields)
        if None not in (low, near, top, far) and not 1 <= low <= near <= 100 <= top <= far <= 300:  # type: ignore[operator]
            raise forms.ValidationError("They must rise, with 100 % on target, and end by 300 %.")
        return values
