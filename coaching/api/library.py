"""My workouts: reading, writing, and the format that Garmin takes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Body, Query, Router, Schema, Status
from pydantic import Field

from accounts.models import TokenScope, User
from accounts.rest.answers import created, require_match, shown
from accounts.rest.callers import Bearer, coach_of
from accounts.rest.paging import Page, Paging, page
from accounts.rest.problems import Problem
from accounts.rest.repeating import once
from coaching import authoring
from coaching.models import Workout
from coaching.plain import one_line
from coaching.services import library
from integrations import exporting
from integrations.records import Sport, WorkoutRecord

router = Router(tags=["Library"])
READ, WRITE = Bearer(TokenScope.LIBRARY_READ), Bearer(TokenScope.LIBRARY_WRITE)
OURS = {"external_id", "version", "extras"}  # of a record, and no business of a reader's


class WorkoutRow(Schema):
    id: UUID
    name: str
    sport: Sport
    duration_s: int | None
    distance_m: int | None
    revision: int
    source: str | None = Field(description="The provider it is kept in step with; null for one that lives here.")
    updated_at: datetime


class WorkoutOut(WorkoutRow):
    workout: dict[str, Any] = Field(description="What is to be done, in the same form as you write it.")


class LibraryQuery(Paging):
    q: str = Field("", max_length=100, description="Words of the name, all of them.")
    sport: Sport | None = None


@router.get("/workouts", auth=READ, response=Page[WorkoutRow])
def workouts(request: HttpRequest, query: Query[LibraryQuery]) -> Any:
    """My library, newest first."""
    rows = Workout.objects.library(coach_of(request)).search(q=query.q, sport=query.sport or "")
    return page(rows, query, _row)


@router.post("/workouts", auth=WRITE, response={201: WorkoutOut})
def create_workout(request: HttpRequest, record: Body[WorkoutRecord]) -> Any:
    """Write a new workout. It has at most 500 steps, repeats counted as often as they are done, 3 deep."""
    coach = coach_of(request)
    clean = _checked(record)

    def write() -> HttpResponse:
        made = library.create(coach, clean)
        return created(_whole(made), f"/api/v1/workouts/{made.public_id}", etag=_etag(made))

    return once(request, write)


@router.get("/workouts/{uuid:workout_id}", auth=READ, response=WorkoutOut)
def workout(request: HttpRequest, workout_id: UUID) -> Any:
    """One workout, whole. Its ETag is what `If-Match` wants when you change it."""
    found = _own(coach_of(request), workout_id)
    return shown(_whole(found), etag=_etag(found))


@router.put("/workouts/{uuid:workout_id}", auth=WRITE, response=WorkoutOut)
def revise_workout(request: HttpRequest, workout_id: UUID, record: Body[WorkoutRecord]) -> Any:
    """Change a workout: its next revision. `If-Match` is required, so that nobody overwrites what he has not seen."""
    coach = coach_of(request)
    clean = _checked(record)

    def write() -> HttpResponse:
        with transaction.atomic():
            Workout.objects.for_user(coach).filter(public_id=workout_id).select_for_update(no_key=True).first()
            found = _own(coach, workout_id)
            require_match(request, _etag(found))
            library.revise(found, clean, by=coach)
        return shown(_whole(found), etag=_etag(found))

    return once(request, write)


@router.delete("/workouts/{uuid:workout_id}", auth=WRITE, response={204: None})
def archive_workout(request: HttpRequest, workout_id: UUID) -> Any:
    """Take a workout out of the library. What you shared stays with your athletes."""
    coach = coach_of(request)
    library.archive(_own(coach, workout_id), by=coach)
    return Status(204, None)


@router.get("/workouts/{uuid:workout_id}/garmin", auth=READ, response=dict[str, Any])
def workout_for_garmin(request: HttpRequest, workout_id: UUID) -> Any:
    """A workout as Garmin Connect's JSON. 422 names the steps that it cannot express."""
    found = _own(coach_of(request), workout_id)
    assert found.current  # the library holds no other
    return exporting.as_sent_to("garmin", found.current.record)


def _own(coach: User, workout_id: UUID) -> Workout:
    return get_object_or_404(Workout.objects.library(coach), public_id=workout_id)


def _checked(record: WorkoutRecord) -> WorkoutRecord:
    """As it is kept: with a name of one line. Problem 400 names the fields."""
    if faults := authoring.faults(record):
        words = f"{faults[0].field}: {faults[0].message}"
        raise Problem(400, "invalid", words, fields=[fault._asdict() for fault in faults])
    return record.model_copy(update={"name": one_line(record.name, most=authoring.LONGEST_NAME)})


def _row(found: Workout) -> dict[str, Any]:
    now = found.current
    assert now  # the library holds no other
    return {
        "id": found.public_id,
        "name": now.name,
        "sport": now.sport,
        "duration_s": now.duration_s,
        "distance_m": now.distance_m,
        "revision": now.number,
        "source": found.source.provider.slug if found.source else None,
        "updated_at": found.updated_at,
    }


def _whole(found: Workout) -> WorkoutOut:
    assert found.current
    return WorkoutOut.model_validate({**_row(found), "workout": _neutral(found.current.content)})


def _neutral(content: Any) -> Any:
    """Without what only a provider reads, so that what is read here can be written here."""
    if isinstance(content, dict):
        return {key: _neutral(value) for key, value in content.items() if key not in OURS | {"schema"}}
    return [_neutral(value) for value in content] if isinstance(content, list) else content


def _etag(found: Workout) -> str:
    assert found.current
    return f'"{found.current.number}-{found.updated_at.timestamp():.6f}"'
