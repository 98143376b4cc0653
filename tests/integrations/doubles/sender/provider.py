"""A provider folder for the in-box's tests: it sends signed webhooks, and nobody ever calls it."""

from integrations.spec import Capability, Part, ProviderSpec

SPEC = ProviderSpec(
    slug="sender",
    label="Sender",
    summary="Sends webhooks.",
    capabilities=frozenset({Capability.WORKOUTS_READ, Capability.WEBHOOKS}),
    base_urls={"api": "http://127.0.0.1:9"},
    allowed_hosts=frozenset({"127.0.0.1"}),
    parts=frozenset({Part.WEBHOOKS, Part.TRANSLATOR, Part.VALIDATOR}),
)
