"""What may be written as a workout, what may not, and what happens to a request that is sent twice."""

import threading
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import KeptAnswer, User
from coaching.models import CoachingLink, Invitation, Share, Workout
from tests.api.conftest import MakeCaller, token_of
from tests.api.test_library import EASY

WORKOUTS = "/api/v1/workouts"
JSON = "application/json"
STEP = {"type": "step", "end": {"kind": "time", "value": 60}}


@pytest.fixture
def api(coach: User, calling: MakeCaller) -> Client:
    return calling(coach)


def nested(deep: int, inner: Any = STEP) -> dict[str, Any]:
    return {"type": "repeat", "count": 1, "steps": [nested(deep - 1, inner) if deep > 1 else inner]}


def run(*steps: Any, **changes: Any) -> dict[str, Any]:
    return {"name": "x", "sport": "running", "segments": [{"sport": "running", "steps": list(steps)}]} | changes


def ending(**end: Any) -> dict[str, Any]:
    return run({"type": "step", "end": {"kind": "time", "value": 60} | end})


def aiming(**target: Any) -> dict[str, Any]:
    return run(STEP | {"target": target})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (run(*[STEP] * 501), "segments"),
        (run({"type": "repeat", "count": 99, "steps": [STEP] * 6}), "segments"),
        (run(nested(4)), "segments.0.steps"),
        (run(nested(50)), "segments.0.steps"),
        (run({"type": "repeat", "count": 10**9, "steps": [STEP]}), "segments"),
        (run({"type": "repeat", "count": 0, "steps": [STEP]}), "segments.0.steps.0.count"),
        (run({"type": "repeat", "count": -3, "steps": [STEP]}), "segments.0.steps.0.count"),
        (run({"type": "repeat", "count": 2, "steps": []}), "segments.0.steps.0.steps"),
        (aiming(kind="heart_rate", zone=99), "segments.0.steps.0.target.zone"),
        (aiming(kind="pace", low=0, high=4), "segments.0.steps.0.target.low"),
        (aiming(kind="power", low=300, high=200), "segments.0.steps.0.target.low"),
        (aiming(kind="power", high=1e308), "segments.0.steps.0.target.high"),
        (ending(value=-1), "segments.0.steps.0.end.value"),
        (ending(value=1e308), "segments.0.steps.0.end.value"),
        (ending(value=None), "segments.0.steps.0.end.value"),
        (ending(value="soon"), "segments.0.steps.0.step.end.value"),
        (ending(kind="tea"), "segments.0.steps.0.step.end.kind"),
        (run(STEP, name=""), "name"),
        (run(STEP, name="x" * 121), "name"),
        (run(STEP, sport="chess"), "sport"),
        (run(), "segments.0.steps"),
        (run(STEP, segments=[]), "segments"),
        (run(STEP, extras={"garmin": {"ownerId": 1}}), "extras"),
        (run(STEP | {"extras": {"garmin": {"x": 1}}}), "segments.0.steps.0.extras"),
        (run(STEP, external_id="7"), "external_id"),
        (run(STEP, owner=1), "owner"),
        (run(STEP, is_staff=True), "is_staff"),
        (run(STEP | {"notes": "x" * 2001}), "segments.0.steps.0.notes"),
        ({"sport": "running"}, "name"),
        ([], "record"),
    ],
    ids=str,
)
def test_nonsense_is_refused_naming_the_field(api: Client, body: Any, field: str) -> None:
    answer = api.post(WORKOUTS, body, content_type=JSON)
    assert answer.status_code == 400
    told = answer.json()
    assert (told["code"], told["status_code"], told["trace_id"]) == ("invalid", 400, answer["X-Request-ID"])
    assert field in {each["field"] for each in told["fields"]}, told
    assert told["detail"].startswith(told["fields"][0]["field"])
    assert not Workout.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"a": NaN}',
        b"[" * 100_000,
        b'"text"',
        b"nul",
        b"{}" * 9,
        b'{"name": 1e999}',
        b'{"name": "\\u0000"}',
    ],
)
def test_what_is_no_json_is_refused(api: Client, body: bytes) -> None:
    answer = api.post(WORKOUTS, body, content_type=JSON)
    assert answer.status_code == 400
    assert set(answer.json()) >= {"detail", "code", "status_code", "trace_id"}


def test_what_the_database_cannot_keep_is_refused(api: Client) -> None:
    assert api.post(WORKOUTS, run(STEP, description="a\x00b"), content_type=JSON).status_code == 400
    assert api.get(f"{WORKOUTS}?q=%00").status_code == 400
    assert api.post(WORKOUTS, run(STEP, description="\ud800"), content_type=JSON).status_code == 400


def test_what_is_too_large_is_refused(api: Client) -> None:
    answer = api.post(WORKOUTS, b" " * (1024 * 1024 + 1), content_type=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_name_is_one_harmless_line(api: Client) -> None:
    made = api.post(WORKOUTS, run(STEP, name="Easy\n\u202erun\x07 "), content_type=JSON)
    assert made.json()["name"] == "Easy run"


def test_what_a_sync_brings_is_changed_at_its_source(api: Client, coach: User, garmin_provider: Any) -> None:
    made = api.post(WORKOUTS, EASY, content_type=JSON)
    source = coach.connections.create(provider=garmin_provider, status="active", external_account_id="1")
    Workout.objects.update(source=source, external_id="7")
    address = f"{WORKOUTS}/{made.json()['id']}"
    answer = api.put(address, EASY | {"name": "B"}, content_type=JSON, headers={"If-Match": api.get(address)["ETag"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "synced")


def test_a_request_that_is_sent_again_is_answered_and_not_done_again(api: Client) -> None:
    first, again, other, without = (
        api.post(WORKOUTS, EASY, content_type=JSON, headers={"Idempotency-Key": key} if key else {})
        for key in ("one", "one", "two", "")
    )
    assert [answer.status_code for answer in (first, again, other, without)] == [201] * 4
    assert again.json() == first.json()
    assert (again["Location"], again["ETag"], again["Idempotency-Replayed"]) == (
        first["Location"], first["ETag"], "true",
    )  # fmt: skip
    assert Workout.objects.count() == 3


def test_another_request_under_the_same_key_is_refused(api: Client) -> None:
    headers = {"Idempotency-Key": "one"}
    api.post(WORKOUTS, EASY, content_type=JSON, headers=headers)
    other = api.post(WORKOUTS, EASY | {"name": "Other"}, content_type=JSON, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert Workout.objects.count() == 1


def test_a_key_is_the_persons_own_and_lasts_a_day(api: Client, other_coach: User, calling: MakeCaller) -> None:
    headers = {"Idempotency-Key": "one"}
    made = api.post(WORKOUTS, EASY, content_type=JSON, headers=headers).json()["id"]
    assert calling(other_coach).post(WORKOUTS, EASY, content_type=JSON, headers=headers).json()["id"] != made
    KeptAnswer.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert api.post(WORKOUTS, EASY, content_type=JSON, headers=headers).json()["id"] != made


def test_an_error_is_not_kept(api: Client) -> None:
    address = f"{WORKOUTS}/{api.post(WORKOUTS, EASY, content_type=JSON).json()['id']}"
    stale = {"Idempotency-Key": "k", "If-Match": '"0-0"'}
    assert api.put(address, EASY, content_type=JSON, headers=stale).status_code == 412
    assert not KeptAnswer.objects.exists()


@pytest.mark.parametrize("key", ["x" * 101, "a\x07b"])
def test_a_strange_key_is_refused(api: Client, key: str) -> None:
    answer = api.post(WORKOUTS, EASY, content_type=JSON, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")


def together(times: int, call: Callable[[], Any]) -> list[Any]:
    answers: list[Any] = []

    def work() -> None:
        answers.append(call())
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.django_db(transaction=True)
def test_four_at_once_under_one_key_make_one(coach: User) -> None:
    headers = {"Authorization": f"Bearer {token_of(coach)}", "Idempotency-Key": "one"}
    answers = together(4, lambda: Client(headers=headers).post(WORKOUTS, EASY, content_type=JSON))
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Workout.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_revisions_at_once_one_is_told_to_look_again(coach: User) -> None:
    api = Client(headers={"Authorization": f"Bearer {token_of(coach)}"})
    made = api.post(WORKOUTS, EASY, content_type=JSON)
    headers = {"If-Match": made["ETag"]}
    bodies = [EASY | {"name": name} for name in ("A", "B")]
    answers = together(2, lambda: api.put(made["Location"], bodies.pop(), content_type=JSON, headers=headers))
    assert sorted(answer.status_code for answer in answers) == [200, 412]


def test_inviting_through_the_api_mails_once_and_tells_no_token(api: Client) -> None:
    headers = {"Idempotency-Key": "one"}
    wanted = {"email": " new@example.org"}
    answers = [api.post("/api/v1/invitations", wanted, content_type=JSON, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert len(mail.outbox) == 1
    invitation = Invitation.objects.get()
    assert (invitation.email, answers[1].json()["id"]) == ("new@example.org", str(invitation.public_id))
    assert "token" not in answers[0].text
    own = api.post("/api/v1/invitations", {"email": "coach@example.org"}, content_type=JSON)
    assert (own.status_code, own.json()["code"]) == (422, "own_address")
    assert (
        api.post("/api/v1/invitations", {"email": "nobody"}, content_type=JSON).json()["fields"][0]["field"] == "email"
    )
    assert api.delete(answers[0]["Location"]).status_code == 204
    invitation.refresh_from_db()
    assert invitation.revoked_at


def test_sharing_tells_each_athlete_once(api: Client, link: CoachingLink, coach: User, other_coach: User) -> None:
    address = api.post(WORKOUTS, EASY, content_type=JSON)["Location"]
    day = (timezone.now() + timedelta(days=3)).date().isoformat()
    wanted = {"athletes": [str(link.public_id)], "on": day, "message": "Go easy"}
    told = [api.post(f"{address}/shares", wanted, content_type=JSON).json() for _ in range(2)]
    assert [each["told"] for each in told] == [1, 0]
    share = Share.objects.get()
    assert told[1]["shares"][0]["id"] == str(share.public_id)
    assert (share.message, str(share.scheduled_for)) == ("Go easy", day)
    assert api.delete(f"/api/v1/shares/{share.public_id}").status_code == 204
    assert api.get(f"/api/v1/shares/{share.public_id}").json()["status"] == "withdrawn"


def test_sharing_with_somebody_elses_athlete_is_sharing_with_nobody(
    api: Client, link: CoachingLink, other_coach: User, athlete: User
) -> None:
    foreign = CoachingLink.objects.create(coach=other_coach, athlete=athlete)
    address = api.post(WORKOUTS, EASY, content_type=JSON)["Location"]
    for body, status in (
        ({"athletes": [str(link.public_id), str(foreign.public_id)]}, 404),
        ({"athletes": []}, 400),
        ({"athletes": [str(link.public_id)], "on": "2020-01-01"}, 400),
        ({"athletes": [str(link.public_id)], "on": "9999-12-31"}, 400),
    ):
        assert api.post(f"{address}/shares", deepcopy(body), content_type=JSON).status_code == status
    assert not Share.objects.exists()
