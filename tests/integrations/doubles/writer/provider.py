"""A second provider that takes workouts, for what depends on how many of those a person has; it is never called."""

from integrations.spec import Capability, ProviderSpec

SPEC = ProviderSpec(
    slug="writer",
    label="Writer",
    summary="Takes workouts.",
    capabilities=frozenset({Capability.WORKOUTS_WRITE}),
    base_urls={"api": "http://127.0.0.1:9"},
    allowed_hosts=frozenset({"127.0.0.1"}),
    parts=frozenset(),
)
