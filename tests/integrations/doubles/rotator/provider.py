"""A provider folder for the renewal tests: it speaks no protocol, it only hands out tokens that are good once."""

from integrations.spec import Capability, Part, ProviderSpec

SPEC = ProviderSpec(
    slug="rotator",
    label="Rotator",
    summary="Hands out tokens that are good once.",
    capabilities=frozenset({Capability.WORKOUTS_READ}),
    base_urls={"api": "http://127.0.0.1:9"},
    allowed_hosts=frozenset({"127.0.0.1"}),
    parts=frozenset({Part.LOGIN}),
)
