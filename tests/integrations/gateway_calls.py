"""Calls through a gateway to Garmin's sandbox, with buckets on a made-up clock."""

import time
from typing import Any

import pytest

from integrations import errors
from integrations.resilience.gateway import Gateway, Hooks
from integrations.resilience.policies import Policies, RateLimitPolicy, RetryPolicy
from integrations.resilience.state import SharedState
from integrations.sandbox import Answer, RunningSandbox
from tests.integrations.resilience.world import NO_REDIS, Clock

EMAIL = "athlete2@sandbox.example"
PROFILE = "/userprofile-service/socialProfile"
CREATE = "/workout-service/workout"
WIDE = {"account": RateLimitPolicy(1000, 1000)}
ONE_STEP = {
    "workoutName": "Mine",
    "sportType": {"sportTypeId": 1, "sportTypeKey": "running"},
    "workoutSegments": [{"segmentOrder": 1, "workoutSteps": []}],
}


class Garmin:
    """The sandbox with one account's token, and gateways to it whose buckets live on a made-up clock."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.box = sandbox["garmin"]
        self.urls = sandbox.base_urls("garmin")
        self.token = self.box.state.grant(EMAIL, "APP")["access_token"]  # type: ignore[attr-defined]
        self.clock = Clock()

    def gateway(
        self, limits: dict[str, RateLimitPolicy] | None = None, *, api: str = "", real_time: bool = False
    ) -> Gateway:
        """Alone in its process, and it asks once: what is repeated has tests of its own."""
        policies = Policies(limits=WIDE if limits is None else limits, retry=RetryPolicy(max_attempts=1))
        return Gateway(
            "garmin",
            base_urls=self.urls | ({"api": api} if api else {}),
            policies=policies,
            state=SharedState(NO_REDIS, clock=self.clock),
            hooks=Hooks(trace_id=lambda: "trace-1"),
            clock=time.monotonic if real_time else self.clock,
            sleep=self.clock.sleep,
        )

    def call(self, gateway: Gateway | None = None, *, scope: str = "one", **kwargs: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        call = {"method": "GET", "path": PROFILE, "operation": "profile"} | kwargs
        return (gateway or self.gateway()).request(headers=headers, scope=scope, **call)

    def create(self, gateway: Gateway | None = None, **kwargs: Any) -> Any:
        post: dict[str, Any] = {"method": "POST", "path": CREATE, "operation": "create_workout", "idempotent": False}
        return self.call(gateway, json=ONE_STEP, **post, **kwargs)

    def fails(self, fault: str = "", **kwargs: Any) -> errors.IntegrationError:
        """What a call raises while a fault is on."""
        self.box.set_fault(EMAIL, fault)
        with pytest.raises(errors.IntegrationError) as caught:
            self.call(**kwargs)
        self.box.set_fault(EMAIL, "")
        return caught.value

    def answers(self, answer: Answer) -> None:
        self.box.answer = lambda request: answer  # type: ignore[method-assign]

    def workouts(self) -> int:
        return len(self.box.state.people[EMAIL]["workouts"])  # type: ignore[attr-defined]
