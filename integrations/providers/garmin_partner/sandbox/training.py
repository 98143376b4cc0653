"""The Training API: workouts and their days. A partner sees what it put there, and nothing lists it."""

from collections.abc import Mapping
from copy import deepcopy
from datetime import date
from typing import Any

from integrations.providers.garmin_partner.sandbox.state import Raw, State
from integrations.sandbox import Answer, Request, route
from integrations.sandbox.oauth import OAuthSandbox

NEW_WORKOUT = "/api/workoutportal/workout/v2"
WORKOUT = "/api/training-api/workout/v2/{identity}"
SCHEDULES = "/api/training-api/schedule"
SCHEDULE = "/api/training-api/schedule/{identity}"
SPORTS = {
    "RUNNING", "CYCLING", "LAP_SWIMMING", "STRENGTH_TRAINING", "CARDIO_TRAINING", "YOGA", "PILATES", "GENERIC",
    "MULTI_SPORT",
}  # fmt: skip
TYPES = {"WorkoutStep", "WorkoutRepeatStep"}
MOST_TEXT, MOST_WORD = 1024, 20
MOST_STEPS, MOST_STEPS_OF_LEGS = 100, 250
GONE = Answer(404, {"message": "not found", "error": "NotFoundException"})


class TrainingRoutes(OAuthSandbox):
    state: State

    @route("POST", NEW_WORKOUT)
    def create(self, request: Request) -> Answer:
        """No key against doubles: whoever sends twice has two."""
        raw = request.fields()
        if problem := _problem(raw):
            return _refused(problem)
        raw.pop("workoutId", None)
        return Answer(200, _shown(self.state.put_workout(self.asker(request), raw)))

    @route("GET", WORKOUT)
    def read(self, request: Request) -> Answer:
        raw = self._ours(request)
        return Answer(data=_shown(raw)) if raw else GONE

    @route("PUT", WORKOUT)
    def replace(self, request: Request) -> Answer:
        before, raw = self._ours(request), request.fields()
        if before is None:
            return GONE
        if problem := _problem(raw):
            return _refused(problem)
        self.state.put_workout(self.asker(request), raw | {"workoutId": before["workoutId"]})
        return Answer(204)

    @route("DELETE", WORKOUT)
    def delete(self, request: Request) -> Answer:
        if self._ours(request) is None:
            return GONE
        self.state.drop_workout(self.asker(request), request.arguments["identity"])
        return Answer(204)

    @route("POST", SCHEDULES)
    def put_on_a_day(self, request: Request) -> Answer:
        """The same workout may stand on one day as often as it was asked for."""
        wanted, person = request.fields(), self.asker(request)
        key = str(wanted.get("workoutId"))
        if not person["workouts"].get(key, {}).get("ours"):
            return GONE
        on = date.fromisoformat(str(wanted.get("date")))
        entry = self.state.put_schedule(person, key, on.isoformat())
        return Answer(data=entry["workoutScheduleId"] if request.suffers("bare-schedule") else entry)

    @route("GET", SCHEDULES)
    def days(self, request: Request) -> Answer:
        first, last = (date.fromisoformat(request.query.get(name, "")) for name in ("startDate", "endDate"))
        person = self.asker(request)
        rows = [row for row in person["schedules"].values() if first <= date.fromisoformat(row["date"]) <= last]
        return Answer(data=[row for row in rows if person["workouts"][str(row["workoutId"])].get("ours")])

    @route("GET", SCHEDULE)
    def day(self, request: Request) -> Answer:
        row = self.asker(request)["schedules"].get(request.arguments["identity"])
        return Answer(data=row) if row else GONE

    @route("DELETE", SCHEDULE)
    def take_off_a_day(self, request: Request) -> Answer:
        gone = self.asker(request)["schedules"].pop(request.arguments["identity"], None)
        self.store.save()
        return Answer(204) if gone else GONE

    def _ours(self, request: Request) -> Raw | None:
        raw: Raw | None = self.asker(request)["workouts"].get(request.arguments["identity"])
        return raw if raw and raw["ours"] else None


def _problem(raw: Mapping[str, Any]) -> str:
    """What the real one refuses with 400, in its words' place."""
    segments = raw.get("segments")
    if not raw.get("workoutName") or raw.get("sport") not in SPORTS:
        return "workoutName and sport are required"
    if len(raw.get("description") or "") > MOST_TEXT:
        return "description is too long"
    if any(len(str(raw.get(name, ""))) > MOST_WORD for name in ("workoutProvider", "workoutSourceId")):
        return "workoutProvider and workoutSourceId have at most 20 letters"
    if not isinstance(segments, list) or not all(isinstance(leg, dict) and leg.get("steps") for leg in segments):
        return "segments with steps are required"
    most = MOST_STEPS_OF_LEGS if raw["sport"] == "MULTI_SPORT" else MOST_STEPS
    steps = [step for leg in segments for step in _walk(leg["steps"])]
    if len(steps) > most or any(step.get("type") not in TYPES for step in steps):
        return f"at most {most} steps of a known type"
    return "" if [step.get("stepOrder") for step in steps] == list(range(1, len(steps) + 1)) else "stepOrder"


def _walk(steps: list[Any]) -> list[Raw]:
    return [found for step in steps for found in (step, *_walk(step.get("steps") or []))]


def _shown(raw: Raw) -> Raw:
    return {key: value for key, value in deepcopy(raw).items() if key != "ours"}


def _refused(words: str) -> Answer:
    return Answer(400, {"message": words, "error": "BadRequestException"})
