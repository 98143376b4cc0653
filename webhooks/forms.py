"""What operations fill in: endpoints, secrets, and which events to replay."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.utils import timezone

from integrations import registry
from integrations.models import Provider
from integrations.spec import Capability
from webhooks.models import WebhookEndpoint, WebhookEvent
from webhooks.services.operating import Selection
from webhooks.services.securing import LEAST_LETTERS, MOST_LETTERS

if TYPE_CHECKING:  # generic for the type checker only
    AnyForm = forms.ModelForm[WebhookEndpoint]
else:
    AnyForm = forms.ModelForm

WHY = "One sentence for the audit log. No secrets."
MOST_NAMES = 20


class Reasoned(forms.Form):
    reason = forms.CharField(min_length=5, max_length=200, help_text=WHY)


class EndpointForm(AnyForm):
    reason = forms.CharField(min_length=5, max_length=200, help_text=WHY, widget=forms.TextInput(attrs={"size": 60}))

    class Meta:
        model = WebhookEndpoint
        fields = (
            "provider", "name", "strict_order", "must_be_signed", "max_body_bytes", "tolerance_s", "registration"
        )  # fmt: skip
        widgets: ClassVar[dict[str, Any]] = {
            "registration": forms.Textarea(attrs={"rows": 3, "cols": 60}),
            "max_body_bytes": forms.NumberInput(attrs={"size": 12}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "provider" in self.fields:
            sending = Provider.objects.filter(slug__in=registry.having(Capability.WEBHOOKS))
            self.fields["provider"].queryset = sending  # type: ignore[attr-defined]  # a choice of rows

    def clean_must_be_signed(self) -> bool:
        """Whoever signs nothing could reach us no more."""
        demanded: bool = self.cleaned_data["must_be_signed"]
        provider = self.instance.provider if self.instance.pk else self.cleaned_data.get("provider")
        if demanded and provider and not registry.spec_for(provider.slug).client_signature:
            raise forms.ValidationError("This provider does not sign with our client secret.")
        return demanded

    def clean_registration(self) -> dict[str, Any]:
        found = self.cleaned_data["registration"] or {}
        if not isinstance(found, dict) or len(found) > MOST_NAMES:
            raise forms.ValidationError('Write an object: {"subscription_id": 123}.')
        return found


class RotateForm(Reasoned):
    given = forms.CharField(
        required=False,
        min_length=LEAST_LETTERS,
        max_length=MOST_LETTERS,
        label="The secret that the provider gave you",
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "size": 60}),
        help_text="Leave it empty to have one made here, when the provider takes ours.",
    )


class SubscriptionForm(Reasoned):
    """What to do about the provider's subscription; `number` names the one to end."""

    what = forms.ChoiceField(choices=[("subscribe", ""), ("unsubscribe", "")])
    number = forms.IntegerField(required=False, min_value=1)


class ReplayForm(Reasoned):
    """Which events; the times are in the viewer's zone."""

    provider = forms.ModelChoiceField(Provider.objects.all())
    statuses = forms.MultipleChoiceField(
        choices=[(key, words) for key, words in WebhookEvent.Status.choices if key in WebhookEvent.OVER],
        initial=[WebhookEvent.Status.DEAD],
        widget=forms.CheckboxSelectMultiple,
        label="That are",
    )
    event_type = forms.CharField(required=False, max_length=80, label="Of the type", help_text="Empty means all types.")
    cause = forms.CharField(required=False, max_length=40, label="Because of", help_text="Empty means all causes.")
    since = forms.DateTimeField(widget=forms.DateTimeInput(attrs={"type": "datetime-local"}), label="Received from")
    until = forms.DateTimeField(
        required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"}), help_text="Empty means now."
    )
    field_order = ("provider", "statuses", "event_type", "cause", "since", "until", "reason")

    def selection(self) -> Selection:
        said = self.cleaned_data
        return Selection(
            provider=said["provider"],
            since=said["since"],
            until=said["until"] or timezone.now(),
            statuses=tuple(said["statuses"]),
            event_type=said["event_type"],
            reason=said["cause"],
        )
