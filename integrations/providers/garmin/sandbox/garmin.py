"""The API tier: profile, workouts, schedule, calendar, activities, devices."""

import calendar
import copy
from datetime import date, timedelta
from typing import Any

from integrations.providers.garmin.sandbox import library
from integrations.providers.garmin.sandbox.sso import LoginRoutes
from integrations.providers.garmin.sandbox.state import State
from integrations.sandbox import Answer, Request, Store, route

NO_CONTENT = Answer(204)
GONE = Answer(404, {"message": "Not found", "error": "NotFoundException"})
ENTRANCE = ("/sso/", "/token/")


class GarminSandbox(LoginRoutes):
    """All routes that login and our adapter call."""

    slug = "garmin"
    label = "Garmin Connect"

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.state = State(store)

    def account_of(self, request: Request) -> str:
        if request.path.startswith("/token/"):
            form = request.form()
            row = self.state.refreshes.get(form.get("refresh_token", ""))
            return str(row["email"]) if row else str(self.state.tickets.get(form.get("service_ticket", ""), ""))
        person = self._person(request)
        return str(person["email"]) if person else ""

    def faulty(self, label: str) -> bool:
        return not label.startswith(ENTRANCE)

    def accounts(self) -> list[dict[str, Any]]:
        with self.lock:
            return [self._shown(person) for person in self.state.people.values()]

    def change(self, key: str, what: str, workout_id: str, value: str) -> None:
        with self.lock:
            person = self.state.people[key]
            if what == "rename":
                found = person["workouts"][workout_id]
                found |= {"workoutName": value, "updatedDate": library.later(found["updatedDate"])}
            elif what == "delete":
                person["workouts"].pop(workout_id, None)
            elif what == "add":
                self.state.put_workout(person, library.simple(value))
            self.store.save()

    def _shown(self, person: dict[str, Any]) -> dict[str, Any]:
        names = {key: raw["workoutName"] for key, raw in person["workouts"].items()}
        entries = [
            {"id": key, "on": row["date"], "workout": row["workoutId"], "name": names.get(row["workoutId"], "?")}
            for key, row in person["schedules"].items()
        ]
        workouts = [
            {"id": key, "name": name, "description": person["workouts"][key].get("description") or ""}
            for key, name in names.items()
        ]
        shown = {key: person[key] for key in ("email", "password", "mfa", "code")}
        entries.sort(key=lambda row: (row["on"], row["id"]))
        return shown | {"fault": self.fault_of(person["email"]), "calendar": entries, "workouts": workouts}

    def _person(self, request: Request) -> dict[str, Any] | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        row = self.state.tokens.get(token)
        if row is None or row["exp"] <= library.now():
            return None
        return self.state.people.get(row["email"])

    def _run(self, entry: Any, request: Request, arguments: dict[str, str]) -> Answer:
        if request.path.startswith("/api/") and self._person(request) is None:
            self._note(entry, request, 401)
            return Answer(401, {"message": "Token is not active", "error": "UnauthorizedException"})
        return super()._run(entry, request, arguments)

    def _own(self, request: Request) -> dict[str, Any]:
        person = self._person(request)
        assert person is not None  # _run has refused everybody else
        return person

    @route("GET", "/api/userprofile-service/socialProfile")
    def profile(self, request: Request) -> Answer:
        return Answer(data=self._profile(self._own(request)))

    def _profile(self, person: dict[str, Any]) -> dict[str, Any]:
        number = person["profile"]
        return {
            "id": number + 1_000_000, "profileId": number, "garminGUID": f"00000000-0000-4000-8000-{number:012d}",
            "displayName": f"sandbox-{number}", "fullName": person["name"], "userName": person["email"],
        }  # fmt: skip

    @route("GET", "/api/userprofile-service/userprofile/user-settings")
    def user_settings(self, request: Request) -> Answer:
        person = self._own(request)
        return Answer(data={"id": person["profile"], "userData": {"measurementSystem": "metric"}})

    @route("GET", "/api/userprofile-service/userprofile/settings")
    def settings(self, request: Request) -> Answer:
        person = self._own(request)
        name = f"sandbox-{person['profile']}"
        return Answer(data={"displayName": name, "timeZone": "Europe/Lisbon", "measurementSystem": "metric"})

    @route("GET", "/api/workout-service/workouts")
    def list_workouts(self, request: Request) -> Answer:
        person = self._own(request)
        rows = [library.row(raw) for raw in person["workouts"].values()]
        if request.query.get("orderBy") == "CREATED_DATE":
            rows.sort(
                key=lambda row: (row["createdDate"], row["workoutId"]), reverse=request.query.get("orderSeq") != "ASC"
            )
        start, limit = int(request.query.get("start", 0)), int(request.query.get("limit", 20))
        if "endless" in {self.fault_of(person["email"]), self.fault_of("*")}:
            return Answer(data=[rows[i % len(rows)] for i in range(limit)])
        return Answer(data=rows[start : start + limit])

    @route("GET", "/api/workout-service/workouts/count")
    def count_workouts(self, request: Request) -> Answer:
        return Answer(data={"totalCount": len(self._own(request)["workouts"])})

    @route("GET", "/api/workout-service/workout/{identity}")
    def read_workout(self, request: Request) -> Answer:
        person = self._own(request)
        found = person["workouts"].get(request.arguments["identity"])
        if found is None:
            return GONE
        if "foreign" in {self.fault_of(person["email"]), self.fault_of("*")}:
            return Answer(data=found | {"ownerId": 1, "workoutName": "Somebody else's"})
        return Answer(data=copy.deepcopy(found))

    @route("POST", "/api/workout-service/workout")
    def create_workout(self, request: Request) -> Answer:
        raw = request.json()
        if not isinstance(raw, dict) or not raw.get("workoutName") or not raw.get("workoutSegments"):
            return Answer(
                400, {"message": "workoutName and workoutSegments are required", "error": "BadRequestException"}
            )
        stored = self.state.put_workout(self._own(request), raw)
        self.store.save()
        return Answer(data=copy.deepcopy(stored))

    @route("PUT", "/api/workout-service/workout/{identity}")
    def replace_workout(self, request: Request) -> Answer:
        person, key, raw = self._own(request), request.arguments["identity"], request.json()
        if key not in person["workouts"]:
            return GONE
        old = person["workouts"][key]
        stored = library.expand(
            raw, identity=int(key), person=person, step_id=lambda: self.state.next_id("step", 12_000_000_000)
        )
        person["workouts"][key] = stored | {
            "createdDate": old["createdDate"],
            "updatedDate": library.later(old["updatedDate"]),
        }
        self.store.save()
        return NO_CONTENT

    @route("DELETE", "/api/workout-service/workout/{identity}")
    def delete_workout(self, request: Request) -> Answer:
        person, key = self._own(request), request.arguments["identity"]
        if person["workouts"].pop(key, None) is None:
            return GONE
        for entry in [k for k, row in person["schedules"].items() if row["workoutId"] == key]:
            del person["schedules"][entry]
        self.store.save()
        return NO_CONTENT

    @route("POST", "/api/workout-service/schedule/{identity}")
    def schedule(self, request: Request) -> Answer:
        person, key = self._own(request), request.arguments["identity"]
        if key not in person["workouts"]:
            return GONE
        entry = self.state.next_id("schedule", 500_000)
        person["schedules"][str(entry)] = {"workoutId": key, "date": str((request.json() or {}).get("date", ""))}
        self.store.save()
        return Answer(data=self._entry(person, str(entry)))

    @route("GET", "/api/workout-service/schedule/{identity}")
    def read_schedule(self, request: Request) -> Answer:
        person, key = self._own(request), request.arguments["identity"]
        return Answer(data=self._entry(person, key)) if key in person["schedules"] else GONE

    @route("PUT", "/api/workout-service/schedule/{identity}")
    def move_schedule(self, request: Request) -> Answer:
        person, key = self._own(request), request.arguments["identity"]
        if key == "sendtodevices":
            return NO_CONTENT
        if key not in person["schedules"]:
            return GONE
        person["schedules"][key]["date"] = str((request.json() or {}).get("calendarDate", ""))
        self.store.save()
        return NO_CONTENT

    @route("DELETE", "/api/workout-service/schedule/{identity}")
    def unschedule(self, request: Request) -> Answer:
        if self._own(request)["schedules"].pop(request.arguments["identity"], None) is None:
            return GONE
        self.store.save()
        return NO_CONTENT

    def _entry(self, person: dict[str, Any], key: str) -> dict[str, Any]:
        row = person["schedules"][key]
        workout = library.row(person["workouts"][row["workoutId"]])
        return {
            "workoutScheduleId": int(key),
            "workout": workout,
            "calendarDate": row["date"],
            "ownerId": person["profile"],
        }

    @route("GET", "/api/calendar-service/year/{year}/month/{month}")
    def month(self, request: Request) -> Answer:
        person, year, month = self._own(request), int(request.arguments["year"]), int(request.arguments["month"]) + 1
        first = date(year, month, 1) - timedelta(days=6)
        last = date(year, month, calendar.monthrange(year, month)[1]) + timedelta(days=6)
        items = [
            self._item(person, key)
            for key, row in person["schedules"].items()
            if str(first) <= row["date"] <= str(last)
        ]
        return Answer(data={"startDayOfMonth": 0, "month": month - 1, "year": year, "calendarItems": items})

    def _item(self, person: dict[str, Any], key: str) -> dict[str, Any]:
        row = person["schedules"][key]
        workout = person["workouts"][row["workoutId"]]
        return {
            "id": int(key), "itemType": "workout", "date": row["date"], "workoutId": int(row["workoutId"]),
            "title": workout["workoutName"], "sportTypeKey": workout["sportType"]["sportTypeKey"],
        }  # fmt: skip

    @route("GET", "/api/activitylist-service/activities/search/activities")
    def list_activities(self, request: Request) -> Answer:
        rows = self._own(request)["activities"]
        since = request.query.get("startDate", "")
        chosen = [row for row in rows if row["startTimeLocal"][:10] >= since]
        start, limit = int(request.query.get("start", 0)), int(request.query.get("limit", 20))
        return Answer(data=chosen[start : start + limit])

    @route("GET", "/api/activitylist-service/activities/count")
    def count_activities(self, request: Request) -> Answer:
        return Answer(data={"totalCount": len(self._own(request)["activities"])})

    @route("GET", "/api/device-service/deviceregistration/devices")
    def devices(self, request: Request) -> Answer:
        number = self._own(request)["profile"]
        return Answer(
            data=[{"deviceId": number * 10, "displayName": "Sandbox watch", "productDisplayName": "Forerunner"}]
        )
