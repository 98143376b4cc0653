from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from integrations.spec import CredentialField, ProviderSpec

CONTROLS = {*map(chr, range(32)), "\x7f"}
KEEP, PURGE = "keep", "purge"


class ConnectForm(forms.Form):
    """The login at a provider, as its spec asks for it. What was typed is kept but for the password."""

    def __init__(self, spec: ProviderSpec, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields |= {field.name: _form_field(field) for field in spec.credential_fields}

    def clean(self) -> dict[str, Any]:
        """A line break or an invisible character is a mistake of pasting, or an attack: never passed on."""
        for name in self.fields:
            if CONTROLS.intersection(self.data.get(name, "")) and not self.has_error(name):
                self.add_error(name, gettext("This holds a line break or another invisible character."))
        return self.cleaned_data


class SpacedCodeField(forms.CharField):
    """People type codes in groups: "123 456"."""

    def to_python(self, value: Any) -> str:
        return "".join((super().to_python(value) or "").split())


class CodeForm(forms.Form):
    code = SpacedCodeField(
        label=_("Code"),
        max_length=20,
        validators=[RegexValidator(r"\A[0-9A-Za-z]{4,10}\Z", _("A code has four to ten digits or letters."))],
        widget=forms.TextInput(
            attrs={
                "class": "code-input",
                "inputmode": "numeric",
                "autocomplete": "one-time-code",
                "autofocus": True,
                "spellcheck": "false",
            }
        ),
    )


class DisconnectForm(forms.Form):
    content = forms.ChoiceField(
        label=_("What came from it"),
        choices=[
            (KEEP, _("Keep it: workouts and activities stay here as they are now")),
            (PURGE, _("Remove it: workouts and activities that came from it are deleted here")),
        ],
        initial=KEEP,
        widget=forms.RadioSelect,
    )

    @property
    def purge(self) -> bool:
        return bool(self.cleaned_data["content"] == PURGE)


def _form_field(field: CredentialField) -> forms.Field:
    common: dict[str, Any] = {
        "label": gettext(field.label),
        "help_text": field.help and gettext(field.help),
        "max_length": field.max_length,
    }
    if field.kind == "email":
        widget = forms.EmailInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"})
        return forms.EmailField(widget=widget, **common)
    if field.kind == "password":
        shown_once = forms.PasswordInput(attrs={"autocomplete": "current-password"}, render_value=False)
        return forms.CharField(strip=False, widget=shown_once, **common)
    return forms.CharField(**common)
