"""The provider's form: overrides are checked against its spec, secrets go in and never come out."""

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms

from integrations import vault
from integrations.addresses import problem_of
from integrations.logins import secret_place
from integrations.models import Provider
from integrations.registry import spec_for
from integrations.resilience.gateway import ACCOUNT, PROVIDER
from integrations.spec import ProviderSpec

if TYPE_CHECKING:  # generic for the type checker only
    AnyForm = forms.ModelForm[Provider]
else:
    AnyForm = forms.ModelForm

LONGEST_JSON = 4_000
MOST_SCOPES = 50
HELP = {field.name: str(field.help_text) for field in Provider._meta.concrete_fields}


class SmallJSONField(forms.JSONField):
    """JSON of a sane size and depth; NaN and its kin are no JSON."""

    widget = forms.Textarea(attrs={"rows": 5, "cols": 60, "spellcheck": "false"})

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str):
            if len(value) > LONGEST_JSON:
                raise forms.ValidationError(f"At most {LONGEST_JSON} letters.", code="too_long")
            try:
                json.loads(value or "null", parse_constant=_refuse)
            except (ValueError, RecursionError):
                raise forms.ValidationError("This is not valid JSON.", code="invalid") from None
        return super().to_python(value)


class ProviderForm(AnyForm):
    base_urls = SmallJSONField(required=False, label="Base URLs", help_text=HELP["base_urls"])
    limits = SmallJSONField(required=False, help_text=HELP["limits"])
    scopes = SmallJSONField(required=False, help_text='A list of words, such as ["read", "write"].')
    new_client_secret = forms.CharField(
        required=False,
        max_length=500,
        label="New client secret",
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "size": 60}),
        help_text="Replaces the present one. It is sealed at once and never shown again.",
    )
    forget_client_secret = forms.BooleanField(required=False, label="Remove the client secret")
    reason = forms.CharField(min_length=5, max_length=200, help_text="One sentence for the audit log. No secrets.")

    class Meta:
        model = Provider
        exclude = ("public_id", "slug")
        labels = {"refresh_margin_s": "Renew logins this many seconds before they end", "client_id": "Client id"}

    def clean_base_urls(self) -> dict[str, str]:
        return _checked(self.cleaned_data["base_urls"], self._spec.base_urls, lambda url: _base_url(url, self._spec))

    def clean_limits(self) -> dict[str, dict[str, float]]:
        return _checked(self.cleaned_data["limits"], {PROVIDER: None, ACCOUNT: None, **self._spec.limits}, _limit)

    def clean_scopes(self) -> list[str]:
        scopes = self.cleaned_data["scopes"] or []
        words = isinstance(scopes, list) and all(isinstance(each, str) and 0 < len(each) <= 100 for each in scopes)
        if not words or len(scopes) > MOST_SCOPES:
            raise forms.ValidationError(f"A list of at most {MOST_SCOPES} words.")
        return scopes

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("new_client_secret") and cleaned.get("forget_client_secret"):
            self.add_error("forget_client_secret", "Either a new secret or none.")
        return cleaned

    def save(self, commit: bool = True) -> Provider:
        """Seals the secret. Called by the admin with `commit=False`, which saves the row itself."""
        provider = self.instance
        if secret := self.cleaned_data.get("new_client_secret"):
            provider.client_secret = vault.seal_json({"client_secret": secret}, **secret_place(provider))
        elif self.cleaned_data.get("forget_client_secret"):
            provider.client_secret = ""
        return super().save(commit)

    @property
    def _spec(self) -> ProviderSpec:
        return spec_for(self.instance.slug)


def _checked(value: Any, known: Mapping[str, Any], check: Any) -> dict[str, Any]:
    """`value` as an object whose keys the spec knows and whose values pass `check`."""
    if not value:
        return {}
    if not isinstance(value, dict):
        raise forms.ValidationError('Write an object: {"key": …}.')
    for key, item in value.items():
        if key not in known:
            raise forms.ValidationError(f"The provider knows these keys: {', '.join(known)}.")
        check(item)
    return value


def _base_url(url: Any, spec: ProviderSpec) -> None:
    if not isinstance(url, str):
        raise forms.ValidationError("An address is a text.")
    if problem := problem_of(url, spec):
        raise forms.ValidationError(f"An address was refused: {problem}.")


def _limit(limit: Any) -> None:
    if not isinstance(limit, dict) or set(limit) != {"capacity", "per_s"}:
        raise forms.ValidationError('A limit has the two keys "capacity" and "per_s".')
    for number in limit.values():
        numeric = isinstance(number, int | float) and not isinstance(number, bool)
        if not numeric or not math.isfinite(number) or not 0 < number <= 1_000_000:
            raise forms.ValidationError("A limit's numbers are above 0 and at most 1,000,000.")


def _refuse(_: str) -> None:
    raise ValueError
