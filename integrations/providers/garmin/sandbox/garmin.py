"""Garmin Connect put together: who asks, the account's own pages, and what a person does there."""

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar

from integrations.providers.garmin.sandbox import activities, library, shapes
from integrations.providers.garmin.sandbox.details import DetailRoutes
from integrations.providers.garmin.sandbox.sso import LOGIN_FAULTS
from integrations.providers.garmin.sandbox.state import State
from integrations.providers.garmin.sandbox.widget import WidgetRoutes
from integrations.providers.garmin.sandbox.workouts import WORKOUT_FAULTS, WorkoutRoutes
from integrations.sandbox import Answer, OwnFault, Request, Route, Store, route

API = "/api/"
PROFILE = "/api/userprofile-service/socialProfile"
INACTIVE = Answer(401, {"message": "Token is not active", "error": "UnauthorizedException"})
SOMEBODY_ELSE = 4_299_999


class GarminSandbox(WidgetRoutes, WorkoutRoutes, DetailRoutes):
    """All routes that login and our adapter call."""

    slug = "garmin"
    label = "Garmin Connect"
    own_faults: ClassVar[Mapping[str, OwnFault]] = {
        **LOGIN_FAULTS,
        **WORKOUT_FAULTS,
        "foreign-profile": OwnFault("The profile of another account is answered", (PROFILE,)),
    }
    actions: ClassVar[Mapping[str, str]] = {
        "train": "Record an activity on this day",
        "retrain": "Change what was recorded on this day",
        "untrain": "Delete what was recorded on this day",
        "expire": "Let the access tokens run out",
        "revoke": "Log out everywhere",
        "toggle-mfa": "Switch the second factor",
    }

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.state = State(store)

    def account_of(self, request: Request) -> str:
        if request.path.startswith("/sso/"):
            return self._who_logs_in(request)
        if request.path.startswith("/token/"):
            return self._whose_token(request)
        person = self._person(request)
        return str(person["email"]) if person else ""

    def faulty(self, label: str) -> bool:
        return label.startswith(API)

    def refuse(self, entry: Route, request: Request) -> Answer | None:
        return INACTIVE if entry.label.startswith(API) and self._person(request) is None else None

    def accounts(self) -> list[dict[str, Any]]:
        with self.lock:
            return [self._shown(person) for person in self.state.people.values()]

    def change(self, key: str, what: str, item: str, value: str) -> None:
        with self.lock:
            person = self.state.people[key]
            if what in self.actions:
                self._happen(person, what, value)
            elif what == "add":
                self.state.put_workout(person, library.simple(value))
            elif what == "rename":
                found = person["workouts"][item]
                found |= {"workoutName": value, "updatedDate": shapes.later(found["updatedDate"])}
            elif what == "delete":
                self.state.drop_workout(person, item)
            elif what == "unschedule":
                del person["schedules"][item]
            else:
                raise ValueError(f"nobody can {what!r} here")
            self.store.save()

    def _happen(self, person: dict[str, Any], what: str, value: str) -> None:
        if what == "expire":
            self.state.expire(person["email"])
        elif what == "revoke":
            self.state.revoke(person["email"])
        elif what == "toggle-mfa":
            person["mfa"] = not person["mfa"]
        elif what == "train":
            self._train(person, date.fromisoformat(value))
        else:
            on = [row for row in person["activities"] if row["startTimeLocal"][:10] == value]
            if not on:
                raise ValueError("nothing was recorded on that day")
            if what == "untrain":
                person["activities"].remove(on[0])
            else:
                on[0] |= {"activityName": f"{on[0]['activityName']} again", "duration": on[0]["duration"] + 60}

    def _train(self, person: dict[str, Any], on: date) -> None:
        """An activity arrives, perhaps late: the listing puts it where its day says."""
        identity = self.state.next_id("activity", 22_000_000_000)
        number = person["profile"] - 4_200_000
        made = activities.one(number, on, identity % 40, identity=identity)
        person["activities"] = sorted(
            [made, *person["activities"]], key=lambda row: (row["startTimeLocal"], row["activityId"]), reverse=True
        )

    def _shown(self, person: dict[str, Any]) -> dict[str, Any]:
        workouts = [
            {
                "id": key, "name": raw["workoutName"], "description": raw.get("description") or "",
                "sport": raw["sportType"]["sportTypeKey"], "updated": raw["updatedDate"],
            }
            for key, raw in person["workouts"].items()
        ]  # fmt: skip
        entries = [
            {"id": key, "on": row["date"], "workout": row["workoutId"],
             "name": person["workouts"].get(row["workoutId"], {}).get("workoutName", "?")}
            for key, row in person["schedules"].items()
        ]  # fmt: skip
        live = self.state.live_codes(person)
        return {key: person[key] for key in ("name", "email", "password", "mfa", "codes")} | {
            "code": live[0]["code"] if live else "", "fault": self.fault_of(person["email"]),
            "activities": len(person["activities"]), "workouts": workouts,
            "calendar": sorted(entries, key=lambda entry: (entry["on"], entry["id"])),
        }  # fmt: skip

    def _person(self, request: Request) -> dict[str, Any] | None:
        row = self.state.live_token(request.headers.get("authorization", "").removeprefix("Bearer "))
        found: dict[str, Any] | None = self.state.people.get(row["email"]) if row else None
        return found

    def _own(self, request: Request) -> dict[str, Any]:
        person = self._person(request)
        if person is None:  # refuse() let it in a moment ago: the token ran out since
            raise ValueError("token")
        return person

    @route("GET", PROFILE)
    def profile(self, request: Request) -> Answer:
        person = self._own(request)
        number = SOMEBODY_ELSE if request.suffers("foreign-profile") else person["profile"]
        return Answer(
            data={
                "id": number + 1_000_000, "profileId": number, "garminGUID": f"00000000-0000-4000-8000-{number:012d}",
                "displayName": f"sandbox-{number}", "fullName": person["name"], "userName": person["email"],
                "profileImageUrlMedium": None, "location": None, "userRoles": ["ROLE_CONNECTUSER"],
            }
        )  # fmt: skip

    @route("GET", "/api/userprofile-service/userprofile/user-settings")
    def user_settings(self, request: Request) -> Answer:
        person = self._own(request)
        return Answer(data={"id": person["profile"], "userData": {"measurementSystem": "metric", "timeFormat": None}})

    @route("GET", "/api/userprofile-service/userprofile/settings")
    def settings(self, request: Request) -> Answer:
        name = f"sandbox-{self._own(request)['profile']}"
        return Answer(data={"displayName": name, "timeZone": "Europe/Lisbon", "measurementSystem": "metric"})

    @route("GET", "/api/activitylist-service/activities/search/activities")
    def list_activities(self, request: Request) -> Answer:
        """Newest first unless asked otherwise; only whole days can be asked for."""
        first, last = request.query.get("startDate", ""), request.query.get("endDate", "9999")
        rows = [row for row in self._own(request)["activities"] if first <= row["startTimeLocal"][:10] <= last]
        if kind := request.query.get("activityType"):
            rows = [row for row in rows if row["activityType"]["typeKey"] == kind]
        if request.query.get("sortOrder") == "asc":
            rows.reverse()
        start, limit = request.number("start", 0), request.number("limit", 20)
        return Answer(data=rows[start : start + limit])

    @route("GET", "/api/activity-service/activity/{identity}")
    def activity(self, request: Request) -> Answer:
        """Of one activity; with the listing's fields alone, which tell that it is there."""
        wanted = request.arguments["identity"]
        found = [row for row in self._own(request)["activities"] if str(row["activityId"]) == wanted]
        gone = Answer(404, {"message": "Activity not found", "error": "NotFoundException"})
        return Answer(data=found[0]) if found else gone

    @route("GET", "/api/activitylist-service/activities/count")
    def count_activities(self, request: Request) -> Answer:
        return Answer(data={"totalCount": len(self._own(request)["activities"])})

    @route("GET", "/api/device-service/deviceregistration/devices")
    def devices(self, request: Request) -> Answer:
        number = self._own(request)["profile"]
        watch = {"deviceId": number * 10, "displayName": "Sandbox watch", "productDisplayName": "Forerunner 965"}
        return Answer(data=[watch | {"primary": True, "deviceStatus": "active"}])
