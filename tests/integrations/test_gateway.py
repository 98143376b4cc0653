"""The gateway against a real server: what each answer becomes, who waits how long, and what is never told."""

import gzip
import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import structlog

from integrations import errors
from integrations.resilience import answers, http
from integrations.resilience.gateway import DEFAULT_PAUSE_S, LEAST_PAUSE_S, Gateway, Hooks
from integrations.resilience.policies import Policies, RateLimitPolicy, RetryPolicy
from integrations.resilience.state import DOWN_FOR_S, SharedState
from integrations.sandbox import Answer, Request, RunningSandbox, running

EMAIL = "athlete2@sandbox.example"
PROFILE = "/userprofile-service/socialProfile"
CREATE = "/workout-service/workout"
WIDE = {"account": RateLimitPolicy(1000, 1000)}
NO_REDIS = "redis://127.0.0.1:1/0"
SECRET = "s3cr3t-Tr0ub4dor"
ONE_STEP = {
    "workoutName": "Mine",
    "sportType": {"sportTypeId": 1, "sportTypeKey": "running"},
    "workoutSegments": [{"segmentOrder": 1, "workoutSteps": []}],
}


class Clock:
    """Time that passes by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


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


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running() as started:
        yield started


@pytest.fixture
def garmin(sandbox: RunningSandbox) -> Iterator[Garmin]:
    yield Garmin(sandbox)
    box = sandbox["garmin"]
    box.set_fault(EMAIL, "")
    box.calls.clear()
    vars(box).pop("answer", None)


# --- what an answer becomes


def test_an_answer_comes_decoded_with_status_and_headers(garmin: Garmin) -> None:
    answer = garmin.call()
    assert answer.data["userName"] == EMAIL
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")


def test_an_empty_answer_is_none(garmin: Garmin) -> None:
    made = garmin.create().data["workoutId"]
    gone = garmin.call(method="DELETE", path=f"{CREATE}/{made}", operation="delete_workout")
    assert (gone.status, gone.data) == (204, None)


def test_the_trace_id_goes_along_and_no_cookie_comes_back(garmin: Garmin) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Answer:
        seen.append(request)
        return Answer(data={}, headers={"Set-Cookie": "who=me; Path=/"})

    garmin.box.answer = answer  # type: ignore[method-assign]
    gateway = garmin.gateway()
    garmin.call(gateway)
    garmin.call(gateway)
    assert [request.headers["x-request-id"] for request in seen] == ["trace-1", "trace-1"]
    assert all("cookie" not in request.headers for request in seen)


@pytest.mark.parametrize(
    ("fault", "kind", "code", "retryable"),
    [
        ("400", errors.ValidationError, "validation", False),
        ("401", errors.AuthenticationError, "authentication", False),
        ("403", errors.AuthorizationError, "authorization", False),
        ("404", errors.NotFoundError, "not_found", False),
        ("408", errors.TimeoutError, "timeout", True),
        ("409", errors.ConflictError, "conflict", False),
        ("410", errors.NotFoundError, "not_found", False),
        ("412", errors.ValidationError, "validation", False),
        ("425", errors.ServerError, "server", True),
        ("429", errors.RateLimitError, "rate_limit", True),
        ("500", errors.ServerError, "server", True),
        ("501", errors.ServerError, "server", False),
        ("502", errors.ServerError, "server", True),
        ("503", errors.ServerError, "server", True),
    ],
)
def test_each_status_is_an_error_of_its_own(
    garmin: Garmin, fault: str, kind: type[errors.IntegrationError], code: str, *, retryable: bool
) -> None:
    error = garmin.fails(fault, idempotent=True)
    assert type(error) is kind
    assert (error.code, error.retryable, error.status, error.provider) == (code, retryable, int(fault), "garmin")
    assert {"operation": "profile", "method": "GET", "idempotent": True}.items() <= error.context.items()


def test_the_providers_own_word_is_kept_and_its_prose_is_not(garmin: Garmin) -> None:
    error = garmin.fails("503")
    assert error.context["provider_code"] == "SandboxFault"
    assert "as the switch says" not in repr(error) + repr(error.context)


@pytest.mark.parametrize("fault", ["html", "truncated"])
def test_a_200_without_json_is_a_bad_answer(garmin: Garmin, fault: str) -> None:
    error = garmin.fails(fault)
    assert type(error) is errors.DataError
    assert (error.code, error.retryable, error.status) == ("provider_bad_answer", False, 200)


@pytest.mark.parametrize("text", ['{"a": NaM}', "[" * 200_000, '"\ud800'[:1]])
def test_what_json_does_not_allow_is_a_bad_answer(garmin: Garmin, text: str) -> None:
    garmin.answers(Answer(text=text, kind="application/json"))
    assert garmin.fails().code == "provider_bad_answer"


def test_a_number_that_is_none_is_no_number() -> None:
    """It spoils its own item, when somebody needs a number there."""
    assert answers.parsed(b'[{"a": NaN}, {"a": -Infinity}, {"a": 1.5}]') == [
        {"a": "NaN"},
        {"a": "-Infinity"},
        {"a": 1.5},
    ]


# --- when it is not known what happened


@pytest.mark.parametrize(("fault", "acted"), [("drop", 0), ("drop-after", 1), ("cut", 1)])
def test_a_write_whose_answer_is_lost_may_have_happened(garmin: Garmin, fault: str, acted: int) -> None:
    before = garmin.workouts()
    garmin.box.set_fault(EMAIL, fault)
    with pytest.raises(errors.TimeoutError) as caught:
        garmin.create()
    assert caught.value.code == "connection_lost"
    assert caught.value.retryable
    assert caught.value.context["idempotent"] is False
    assert garmin.workouts() == before + acted, "sent once, and never again by the gateway"


def test_a_refused_connection_has_surely_done_nothing(garmin: Garmin) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(errors.ConnectionError) as caught:
            garmin.create(garmin.gateway(api=nobody))
    assert (caught.value.code, caught.value.retryable) == ("connection", True)


@pytest.mark.parametrize("begins", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"])
def test_an_answer_that_does_not_come_to_its_end_is_a_timeout(garmin: Garmin, begins: bytes) -> None:
    """The request was read, so it is no "could not be reached", after which a write may be sent again unasked."""
    over = threading.Event()

    def stand_still(server: socket.socket) -> None:
        caller, _ = server.accept()
        with caller:
            caller.recv(65536)
            caller.sendall(begins)
            over.wait(5)

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(stand_still, server)
        gateway = garmin.gateway(api=f"http://127.0.0.1:{server.getsockname()[1]}", real_time=True)
        started = time.monotonic()
        with pytest.raises(errors.TimeoutError) as caught:
            garmin.create(gateway, deadline=started + 0.1)
        assert time.monotonic() - started < 2
        over.set()
    assert caught.value.retryable


def test_a_deadline_that_is_over_sends_nothing(garmin: Garmin) -> None:
    error = garmin.fails(deadline=garmin.clock() - 1)
    assert type(error) is errors.TimeoutError
    assert error.code == "deadline"
    assert garmin.box.calls == []


# --- what is not taken


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(garmin: Garmin, status: int) -> None:
    asked: list[str] = []

    def answer(request: Request) -> Answer:
        asked.append(request.path)
        return Answer(status, headers={"Location": garmin.urls["api"] + "/elsewhere"})

    garmin.box.answer = answer  # type: ignore[method-assign]
    with pytest.raises(errors.DataError) as caught:
        garmin.create()
    assert caught.value.status == status
    assert asked == ["/api" + CREATE], "a token must not go where a provider points"


def test_an_answer_that_is_too_large_is_dropped(garmin: Garmin) -> None:
    garmin.answers(Answer(text='"' + "x" * http.MOST_BYTES + '"', kind="application/json"))
    assert garmin.fails().code == "answer_too_large"


def test_an_answer_that_grows_when_unpacked_is_dropped(garmin: Garmin) -> None:
    class Bomb(Answer):
        def encoded(self) -> tuple[bytes, str]:
            return gzip.compress(bytes(2 * http.MOST_BYTES)), "application/json"

    garmin.answers(Bomb(headers={"Content-Encoding": "gzip"}))
    assert garmin.fails().code == "answer_too_large"


# --- who waits


@pytest.mark.parametrize(
    ("fault", "pause"),
    [("429", DEFAULT_PAUSE_S), ("429-retry:30", 30), ("429-retry:1000000000", errors.API_RETRY_AFTER_CAP_S)],
)
def test_a_429_pauses_the_accounts_bucket_and_no_other(garmin: Garmin, fault: str, pause: float) -> None:
    gateway = garmin.gateway()
    assert garmin.fails(fault, gateway=gateway).retry_after == pause
    asked = len(garmin.box.calls)
    with pytest.raises(errors.ThrottledError) as caught:
        garmin.call(gateway)
    assert caught.value.retry_after == pytest.approx(pause, rel=1e-3)
    assert len(garmin.box.calls) == asked, "the provider is not asked meanwhile"
    garmin.call(gateway, scope="another")
    garmin.clock.now += pause + 1
    garmin.call(gateway)


def test_a_429_with_a_date_is_understood(garmin: Garmin) -> None:
    retry_after = garmin.fails("429-retry:date").retry_after
    assert retry_after is not None
    assert 0 < retry_after <= 2


def test_a_retry_after_in_the_past_pauses_for_a_moment(garmin: Garmin) -> None:
    gateway = garmin.gateway()
    assert garmin.fails("429-retry:-5", gateway=gateway).retry_after == LEAST_PAUSE_S
    garmin.call(gateway)
    assert garmin.clock.slept == [pytest.approx(LEAST_PAUSE_S, abs=0.01)]


def test_a_busy_account_waits_a_little_and_then_gives_up(garmin: Garmin) -> None:
    gateway = garmin.gateway({"account": RateLimitPolicy(2, 1)})
    for _ in range(3):
        garmin.call(gateway)
    assert garmin.clock.slept == [pytest.approx(1)]
    slow = garmin.gateway({"account": RateLimitPolicy(1, 0.1)})
    garmin.call(slow)
    with pytest.raises(errors.ThrottledError) as caught:
        garmin.call(slow)
    assert caught.value.retry_after == pytest.approx(10)
    assert caught.value.halted, "a stop of our own is no failure of the provider's"


def test_an_outage_of_redis_is_told_once_and_over_when_it_is_back() -> None:
    clock, asked = Clock(), []
    state = SharedState(NO_REDIS, clock=clock)
    away = state.script("return 1")
    with structlog.testing.capture_logs() as lines:
        assert [away([], []), away([], [])] == [None, None]
        assert state.run(lambda: asked.append(1)) is None
        assert asked == [], "not asked again while it is away"
        clock.now += DOWN_FOR_S
        assert away([], []) is None
    assert [line["event"] for line in lines] == ["shared_state_down"]
    clock.now += DOWN_FOR_S
    assert state.run(lambda: 7) == 7
    assert state.run(lambda: 8) == 8


# --- a library's own HTTP


LOGINS = {"login": RateLimitPolicy(1, 1 / 30), "login_hour": RateLimitPolicy(10, 10 / 3600)}


def test_a_second_login_is_held_back_and_told_for_how_long(garmin: Garmin) -> None:
    gateway, entered = garmin.gateway(LOGINS), []
    with gateway.guard("login"):
        entered.append(1)
    with pytest.raises(errors.ThrottledError) as caught, gateway.guard("login"):
        entered.append(2)
    assert caught.value.retry_after == pytest.approx(30)
    assert entered == [1]
    assert garmin.clock.slept == [], "a person waits for it"
    garmin.clock.now += 30
    with gateway.guard("login"):
        entered.append(3)
    assert entered == [1, 3]


def test_logins_of_an_hour_are_counted_too(garmin: Garmin) -> None:
    gateway = garmin.gateway(LOGINS)
    for _ in range(10):
        with gateway.guard("login"):
            garmin.clock.now += 30
    with pytest.raises(errors.ThrottledError), gateway.guard("login"):
        raise AssertionError("the hour is full")


def test_a_guarded_failure_passes_through_unchanged(garmin: Garmin) -> None:
    refused = errors.LoginRefused(provider="garmin")
    with pytest.raises(errors.LoginRefused) as caught, garmin.gateway(LOGINS).guard("login"):
        raise refused
    assert caught.value is refused


# --- what is never told


def by_status(garmin: Garmin, gateway: Gateway) -> None:
    garmin.box.set_fault(EMAIL, "503")


def by_silence(garmin: Garmin, gateway: Gateway) -> None:
    garmin.box.set_fault(EMAIL, "drop")


def by_half_an_answer(garmin: Garmin, gateway: Gateway) -> None:
    garmin.box.set_fault(EMAIL, "cut")


def by_an_echo(garmin: Garmin, gateway: Gateway) -> None:
    garmin.answers(Answer(400, {"message": SECRET, "error": f"bad token {SECRET}"}, headers={"X-Token": SECRET}))


def by_a_page(garmin: Garmin, gateway: Gateway) -> None:
    garmin.answers(Answer(200, text=f"<p>{SECRET}</p>"))


def by_redirect(garmin: Garmin, gateway: Gateway) -> None:
    garmin.answers(Answer(302, headers={"Location": f"https://elsewhere.example/?token={SECRET}"}))


def by_refusal(garmin: Garmin, gateway: Gateway) -> None:
    gateway._base_urls["api"] = "http://127.0.0.1:1"


def by_a_broken_address(garmin: Garmin, gateway: Gateway) -> None:
    gateway._base_urls["api"] = f"http://{SECRET}:[/"


@pytest.mark.parametrize(
    "fails",
    [by_status, by_silence, by_half_an_answer, by_an_echo, by_a_page, by_redirect, by_refusal, by_a_broken_address],
    ids=lambda fails: fails.__name__,
)
def test_no_secret_in_what_is_raised_or_logged(
    garmin: Garmin, caplog: pytest.LogCaptureFixture, fails: Callable[[Garmin, Gateway], None]
) -> None:
    gateway = garmin.gateway()
    fails(garmin, gateway)
    with (
        caplog.at_level(logging.INFO),
        structlog.testing.capture_logs() as lines,
        pytest.raises(errors.IntegrationError) as caught,
    ):
        garmin.call(gateway, params={"token": SECRET}, data={"refresh_token": SECRET})
    error = caught.value
    told = [str(error), repr(error), repr(vars(error)), repr(lines), caplog.text, *traceback.format_exception(error)]
    assert lines[-1]["event"] == "provider_call_failed"
    assert SECRET not in "".join(told)
    assert garmin.token not in "".join(told)
    assert error.__cause__ is None
    assert error.__suppress_context__
