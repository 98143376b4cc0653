from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from coaching.models import ComplianceBands


class BandsForm(forms.ModelForm):  # type: ignore[type-arg]  # Django itself does not know the brackets
    class Meta:
        model = ComplianceBands
        fields = ["near_from", "on_from", "on_to", "near_to"]
        labels = {
            "near_from": _("Near it from, in percent"),
            "on_from": _("On target from"),
            "on_to": _("On target up to"),
            "near_to": _("Near it up to"),
        }

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        low, near, top, far = (values.get(name) for name in self.Meta.fields)
        if None not in (low, near, top, far) and not 1 <= low <= near <= 100 <= top <= far <= 300:  # type: ignore[operator]
            raise forms.ValidationError(gettext("They must rise, with 100 % on target, and end by 300 %."))
        return values
