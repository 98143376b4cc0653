"""The gateway against a real server: what each answer becomes, and what is never told."""

import gzip
import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog

from integrations import errors
from integrations.resilience import answers, http
from integrations.resilience.gateway import Gateway
from integrations.sandbox import Answer, Request
from tests.integrations.gateway_calls import CREATE, EMAIL, Garmin

SECRET = "s3cr3t-Tr0ub4dor"

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
            over.wait(60)

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(stand_still, server)
        gateway = garmin.gateway(api=f"http://127.0.0.1:{server.getsockname()[1]}", real_time=True)
        started = time.monotonic()
        with pytest.raises(errors.TimeoutError) as caught:
            garmin.create(gateway, deadline=started + 1)  # long enough to be taken in, and far below the 20 s of a read
        assert time.monotonic() - started < 15
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
