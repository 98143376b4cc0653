"""Garmin's API tier: bytes and pages, nothing else. Paths and headers as Garmin's own phone app uses them."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from integrations.adapters import AccountAdapter
from integrations.providers.garmin.provider import SLUG
from integrations.resilience.gateway import Fallback
from integrations.spec import Gateway, Raw, RawPage

PAGE_SIZE = 100
NEWEST = 20
WORKOUT = "/workout-service/workout"
WORKOUTS = "/workout-service/workouts"
SCHEDULE = "/workout-service/schedule"
ACTIVITY = "/activity-service/activity"
ORIGINAL = "/download-service/files/activity"
CHART_SIZE = 2000  # samples at most; Garmin thins them out
ACTIVITIES = "/activitylist-service/activities/search/activities"

APP_HEADERS = {
    "Accept": "application/json",
    "Accept-Language": "en-US,en;q=0.9",
    "User-Agent": "GCM-Android-5.23",
    "X-Garmin-User-Agent": (
        "com.garmin.android.apps.connectmobile/5.23; ; Google/sdk_gphone64_arm64/google; Android/33; Dalvik/2.1.0"
    ),
    "X-Garmin-Paired-App-Version": "10861",
    "X-Garmin-Client-Platform": "Android",
    "X-App-Ver": "10861",
    "X-Lang": "en",
    "X-GCExperience": "GC5",
}


class Adapter(AccountAdapter):
    """`secrets` hold the access token."""

    provider = SLUG

    def __init__(self, gateway: Gateway, secrets: Mapping[str, str], scope: str) -> None:
        super().__init__(gateway, APP_HEADERS | {"Authorization": f"Bearer {secrets['di_token']}"}, scope)

    def account(self) -> Raw:
        return self.ask_object("GET", "/userprofile-service/socialProfile", operation="profile")

    def workout_page(self, start: int) -> RawPage:
        rows = self.ask_list(WORKOUTS, operation="list_workouts", params={"start": start, "limit": PAGE_SIZE})
        more = start + PAGE_SIZE if len(rows) == PAGE_SIZE else None
        total = start + len(rows) if more is None else self._workout_count()
        return RawPage(rows, more, total)

    def newest_workouts(self, start: int) -> RawPage:
        newest = {"start": start, "limit": NEWEST, "orderBy": "CREATED_DATE", "orderSeq": "DESC"}
        rows = self.ask_list(WORKOUTS, operation="newest_workouts", params=newest)
        return RawPage(rows, start + NEWEST if len(rows) == NEWEST else None)

    def workout(self, external_id: str) -> Raw:
        return self.ask_object("GET", f"{WORKOUT}/{self.number(external_id)}", operation="read_workout")

    def create_workout(self, raw: Raw) -> Raw:
        return self.ask_object("POST", WORKOUT, operation="create_workout", idempotent=False, json=raw)

    def replace_workout(self, external_id: str, raw: Raw) -> None:
        number = self.number(external_id)
        body = raw | {"workoutId": int(number)}
        self.ask("PUT", f"{WORKOUT}/{number}", operation="replace_workout", idempotent=True, json=body)

    def delete_workout(self, external_id: str) -> None:
        self.ask("DELETE", f"{WORKOUT}/{self.number(external_id)}", operation="delete_workout", idempotent=True)

    def schedule(self, external_id: str, on: date) -> Raw:
        path = f"{SCHEDULE}/{self.number(external_id)}"
        return self.ask_object("POST", path, operation="schedule", idempotent=False, json={"date": on.isoformat()})

    def unschedule(self, schedule_id: str) -> None:
        self.ask("DELETE", f"{SCHEDULE}/{self.number(schedule_id)}", operation="unschedule", idempotent=True)

    def calendar(self, year: int, month: int) -> Raw:
        path = f"/calendar-service/year/{year}/month/{month - 1}"  # Garmin counts months from 0
        return self.ask_object("GET", path, operation="calendar")

    def activity_page(self, start: int, *, since: date | None, until: date | None = None) -> RawPage:
        """Newest first; days are those of the wearer's clock."""
        days = {"startDate": since, "endDate": until}
        params: dict[str, Any] = {"start": start, "limit": PAGE_SIZE}
        params |= {key: day.isoformat() for key, day in days.items() if day is not None}
        rows = self.ask_list(ACTIVITIES, operation="list_activities", params=params)
        return RawPage(rows, start + PAGE_SIZE if len(rows) == PAGE_SIZE else None)

    def activity(self, external_id: str) -> Raw:
        return self.ask_object("GET", f"{ACTIVITY}/{self.number(external_id)}", operation="read_activity")

    def activity_detail(self, external_id: str) -> Raw:
        path = f"{ACTIVITY}/{self.number(external_id)}"
        chart = {"maxChartSize": CHART_SIZE, "maxPolylineSize": 0}
        return {
            "splits": self.ask_object("GET", f"{path}/splits", operation="read_laps"),
            "details": self.ask_object("GET", f"{path}/details", operation="read_samples", params=chart),
        }

    def activity_file(self, external_id: str) -> bytes:
        """A zip with the FIT file in it."""
        path = f"{ORIGINAL}/{self.number(external_id)}"
        headers = self.headers | {"Accept": "*/*"}
        answer = self.gateway.request(
            "GET", path, operation="read_file", scope=self.scope, headers=headers, is_file=True
        )
        return bytes(answer.data)

    def _workout_count(self) -> int | None:
        """For the progress bar alone, so it may be some minutes old, or not be known."""
        answer = self.ask(
            "GET",
            f"{WORKOUTS}/count",
            operation="count_workouts",
            params={"includeAtp": "false"},
            data_type="workouts",
            fallback=Fallback({}),
        )
        total = answer.get("totalCount") if isinstance(answer, dict) else None
        return total if isinstance(total, int) and total >= 0 else None
