"""The workout service: the library and its calendar."""

import calendar
import copy
from abc import abstractmethod
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from integrations.providers.garmin.sandbox import shapes
from integrations.providers.garmin.sandbox.state import State
from integrations.sandbox import Answer, OwnFault, Request, Sandbox, route

NO_CONTENT = Answer(204)
GONE = Answer(404, {"message": "Not found", "error": "NotFoundException"})
LISTING = "/api/workout-service/workouts"
READING = "/api/workout-service/workout/{identity}"
SCHEDULE = "/api/workout-service/schedule/{identity}"
SHIFTED_ROWS = 3
SPILL = timedelta(days=7)  # the month's view shows so much of its neighbours
ORDERS = {
    "WORKOUT_NAME": lambda row: (row["workoutName"].lower(), row["workoutId"]),
    "WORKOUT_SPORT_PK": lambda row: (row["sportType"]["sportTypeId"], row["workoutId"]),
    "CREATED_DATE": lambda row: (row["createdDate"], row["workoutId"]),
    "UPDATE_DATE": lambda row: (row["updateDate"], row["workoutId"]),
}
WORKOUT_FAULTS = {
    "endless": OwnFault("Listings repeat their first page for ever", (LISTING,)),
    "shift": OwnFault("Later pages of a listing begin with rows of the one before", (LISTING,)),
    "foreign": OwnFault("Workouts of another account are answered", (READING,)),
}

type Raw = dict[str, Any]


class WorkoutRoutes(Sandbox):
    """Names need not be unique, every POST makes a new thing, and ids live as long as the things."""

    state: State

    @abstractmethod
    def _own(self, request: Request) -> Raw:
        """The account that asks."""

    @route("GET", LISTING)
    def list_workouts(self, request: Request) -> Answer:
        rows = [shapes.row(raw) for raw in self._own(request)["workouts"].values()]
        if sports := request.repeated.get("sportTypeKey"):
            rows = [row for row in rows if row["sportType"]["sportTypeKey"] in sports]
        if order := ORDERS.get(request.query.get("orderBy", "")):
            rows.sort(key=order, reverse=request.query.get("orderSeq", "ASC").upper() == "DESC")
        start, limit = request.number("start", 0), request.number("limit", 20)
        if request.suffers("endless") and rows:
            return Answer(data=[rows[index % len(rows)] for index in range(limit)])
        if request.suffers("shift") and start:
            start -= min(start, SHIFTED_ROWS)
        return Answer(data=rows[start : start + limit])

    @route("GET", LISTING + "/count")
    def count_workouts(self, request: Request) -> Answer:
        return Answer(data={"totalCount": len(self._own(request)["workouts"])})

    @route("GET", "/api/workout-service/workout/types")
    def types(self, _: Request) -> Answer:
        return Answer(data=shapes.vocabulary())

    @route("GET", READING)
    def read_workout(self, request: Request) -> Answer:
        found = self._own(request)["workouts"].get(request.arguments["identity"])
        if found is None:
            return GONE
        if request.suffers("foreign"):
            return Answer(data=found | {"ownerId": 1, "workoutName": "Somebody else's"})
        return Answer(data=copy.deepcopy(found))

    @route("POST", "/api/workout-service/workout")
    def create_workout(self, request: Request) -> Answer:
        stored = self.state.put_workout(self._own(request), _posted(request))
        self.store.save()
        return Answer(data=copy.deepcopy(stored))

    @route("PUT", READING)
    def replace_workout(self, request: Request) -> Answer:
        person, key, raw = self._own(request), request.arguments["identity"], _posted(request)
        old = person["workouts"].get(key)
        if old is None:
            return GONE
        if str(raw.get("workoutId")) != key:
            raise ValueError("workoutId")
        stored = self.state.expanded(person, raw, int(key))
        dates = {"createdDate": old["createdDate"], "updatedDate": shapes.later(old["updatedDate"])}
        person["workouts"][key] = stored | dates
        self.store.save()
        return NO_CONTENT

    @route("POST", "/api/workout-service/workout/copy/{identity}")
    def copy_workout(self, request: Request) -> Answer:
        person = self._own(request)
        found = person["workouts"].get(request.arguments["identity"])
        if found is None:
            return GONE
        made = self.state.put_workout(person, found | {"workoutName": request.body.decode() or found["workoutName"]})
        self.store.save()
        return Answer(data=copy.deepcopy(made))

    @route("DELETE", READING)
    def delete_workout(self, request: Request) -> Answer:
        person, key = self._own(request), request.arguments["identity"]
        if key not in person["workouts"]:
            return GONE
        self.state.drop_workout(person, key)
        self.store.save()
        return NO_CONTENT

    @route("POST", SCHEDULE)
    def schedule(self, request: Request) -> Answer:
        person, key = self._own(request), request.arguments["identity"]
        on = date.fromisoformat(str(request.fields().get("date")))
        if key not in person["workouts"]:
            return GONE
        entry = str(self.state.next_id("schedule", 500_000))
        person["schedules"][entry] = {"workoutId": key, "date": on.isoformat()}
        self.store.save()
        return Answer(data=_entry(person, entry))

    @route("GET", SCHEDULE)
    def read_schedule(self, request: Request) -> Answer:
        person, key = self._own(request), request.arguments["identity"]
        return Answer(data=_entry(person, key)) if key in person["schedules"] else GONE

    @route("PUT", SCHEDULE)
    def move_schedule(self, request: Request) -> Answer:
        row = self._own(request)["schedules"].get(request.arguments["identity"])
        if row is None:
            return GONE
        row["date"] = date.fromisoformat(str(request.fields().get("calendarDate"))).isoformat()
        self.store.save()
        return NO_CONTENT

    @route("DELETE", SCHEDULE)
    def unschedule(self, request: Request) -> Answer:
        if self._own(request)["schedules"].pop(request.arguments["identity"], None) is None:
            return GONE
        self.store.save()
        return NO_CONTENT

    @route("PUT", "/api/workout-service/schedule/sendtodevices")
    def send_to_devices(self, _: Request) -> Answer:
        return NO_CONTENT

    @route("GET", "/api/workout-service/schedule/workoutScheduleByPeriod")
    def schedules_of_period(self, request: Request) -> Answer:
        person = self._own(request)
        first, last = (date.fromisoformat(request.query.get(name, "")) for name in ("startDate", "endDate"))
        return Answer(data=[_entry(person, key) for key in _between(person, first, last)])

    @route("GET", "/api/calendar-service/year/{year}/month/{month}")
    def month(self, request: Request) -> Answer:
        """Months count from 0; the view has some days of its neighbours, and what was done beside what is planned."""
        person, year, month = self._own(request), int(request.arguments["year"]), int(request.arguments["month"])
        first = date(year, month + 1, 1)
        days = calendar.monthrange(year, month + 1)[1]
        start, end = first - SPILL, first + timedelta(days=days - 1) + SPILL
        planned = [_planned(person, key) for key in _between(person, start, end)]
        done = [_done(row) for row in person["activities"] if str(start) <= row["startTimeLocal"][:10] <= str(end)]
        return Answer(
            data={
                "startDayOfMonth": (first.weekday() + 1) % 7, "numOfDaysInMonth": days,
                "numOfDaysInPrevMonth": (first - timedelta(days=1)).day, "month": month, "year": year,
                "calendarItems": planned + done,
            }
        )  # fmt: skip


def _posted(request: Request) -> Raw:
    """A workout that the server takes; ValueError for what it answers with 400."""
    raw = request.fields()
    if not str(raw.get("workoutName") or "").strip() or not shapes.raw_segments(raw):
        raise ValueError("workoutName and workoutSegments are required")
    return raw


def _between(person: Raw, first: date, last: date) -> Iterator[str]:
    for key, row in person["schedules"].items():
        if row["workoutId"] in person["workouts"] and first.isoformat() <= row["date"] <= last.isoformat():
            yield key


def _entry(person: Raw, key: str) -> Raw:
    row = person["schedules"][key]
    return {
        "workoutScheduleId": int(key), "workout": shapes.row(person["workouts"][row["workoutId"]]),
        "calendarDate": row["date"], "createdDate": row["date"], "ownerId": person["profile"], "newName": None,
        "consumer": None, "atpPlanTypeId": None,
    }  # fmt: skip


def _planned(person: Raw, key: str) -> Raw:
    row = person["schedules"][key]
    workout = person["workouts"][row["workoutId"]]
    return {
        "id": int(key), "itemType": "workout", "date": row["date"], "workoutId": int(row["workoutId"]),
        "title": workout["workoutName"], "sportTypeKey": workout["sportType"]["sportTypeKey"], "duration": None,
        "distance": None, "activityTypeId": None, "trainingPlanId": None, "protectedWorkoutSchedule": False,
    }  # fmt: skip


def _done(row: Raw) -> Raw:
    return {
        "id": row["activityId"], "itemType": "activity", "date": row["startTimeLocal"][:10], "workoutId": None,
        "title": row["activityName"], "sportTypeKey": None, "duration": row["duration"], "distance": row["distance"],
        "activityTypeId": row["activityType"]["typeId"], "trainingPlanId": None, "protectedWorkoutSchedule": False,
    }  # fmt: skip
