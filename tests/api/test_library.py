"""Workouts through the API: written once, kept whole, never lost to somebody else's change."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEntry, User
from coaching.models import Workout, WorkoutRevision
from tests.api.conftest import MakeCaller

PACE = {"kind": "pace", "low": 3.5, "high": 4}
EASY = {
    "name": "Easy run",
    "sport": "running",
    "segments": [
        {
            "sport": "running",
            "steps": [
                {"type": "step", "intensity": "warmup", "end": {"kind": "time", "value": 600}},
                {
                    "type": "repeat",
                    "count": 4,
                    "steps": [
                        {"type": "step", "end": {"kind": "distance", "value": 400}, "target": PACE},
                        {"type": "step", "intensity": "recovery", "end": {"kind": "time", "value": 60}},
                    ],
                },
            ],
        }
    ],
}  # fmt: skip


@pytest.fixture
def api(coach: User, calling: MakeCaller) -> Client:
    return calling(coach)


def make(api: Client, **changes: object) -> dict[str, Any]:
    answer = api.post("/api/v1/workouts", EASY | changes, content_type="application/json")
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_what_is_written_can_be_read_and_written_again(api: Client, coach: User) -> None:
    made = make(api)
    answer = api.get(f"/api/v1/workouts/{made['id']}")
    assert answer.status_code == 200
    read = answer.json()
    assert (read["name"], read["sport"], read["distance_m"], read["revision"]) == ("Easy run", "running", 1600, 1)
    again = api.put(
        f"/api/v1/workouts/{made['id']}", read["workout"] | {"name": "Easier run"},
        content_type="application/json", headers={"If-Match": answer["ETag"]},
    )  # fmt: skip
    assert (again.status_code, again.json()["revision"], again.json()["name"]) == (200, 2, "Easier run")
    assert Workout.objects.get().owner == coach
    actions = AuditEntry.objects.filter(action__startswith="workout.").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["workout.created", "workout.revised"]


def test_garmin_gets_its_own_format(api: Client) -> None:
    sent = api.get(f"/api/v1/workouts/{make(api)['id']}/garmin").json()
    assert sent["workoutName"] == "Easy run"
    assert [step["type"] for step in sent["workoutSegments"][0]["workoutSteps"]] == [
        "ExecutableStepDTO",
        "RepeatGroupDTO",
    ]


def test_a_revision_wants_the_state_that_was_read(api: Client) -> None:
    made = make(api)
    address = f"/api/v1/workouts/{made['id']}"
    seen = api.get(address)["ETag"]
    assert api.put(address, EASY, content_type="application/json").status_code == 428
    changed = api.put(address, EASY | {"name": "B"}, content_type="application/json", headers={"If-Match": seen})
    assert changed.status_code == 200
    late = api.put(address, EASY | {"name": "C"}, content_type="application/json", headers={"If-Match": seen})
    assert (late.status_code, late.json()["code"]) == (412, "changed_meanwhile")
    assert list(WorkoutRevision.objects.values_list("name", flat=True)) == ["B", "Easy run"]


def test_who_has_it_already_is_told_so(api: Client) -> None:
    address = f"/api/v1/workouts/{make(api)['id']}"
    for each in (address, "/api/v1/workouts", "/api/v1/me"):
        etag = api.get(each)["ETag"]
        assert api.get(each, headers={"If-None-Match": etag}).status_code == 304
    first = api.get("/api/v1/workouts")["ETag"]
    make(api, name="Another")
    assert api.get("/api/v1/workouts", headers={"If-None-Match": first}).status_code == 200
