"""Garmin's Training API and Activity API: bytes and pages, nothing else.

Nothing lists the workouts of an account: the calendar names those that stand on it, and only ours are visible to us.
Activities are listed by the time they reached Garmin, a day at a time; older ones come by webhook after a backfill.
"""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Any

from integrations import errors
from integrations.adapters import AccountAdapter, bad_answer, bearer
from integrations.oauth import ACCESS, MISSING_SCOPE
from integrations.providers.garmin_partner.provider import SLUG, SPEC
from integrations.spec import Gateway, Raw, RawPage

NEW_WORKOUT = "/workoutportal/workout/v2"
WORKOUT = "/training-api/workout/v2"
SCHEDULE = "/training-api/schedule"
ACTIVITIES = "/wellness-api/rest/activities"
BACKFILL = "/wellness-api/rest/backfill/activities"

DAY_S = 86_400
MOST_DAYS = 30  # of uploads that a listing goes back
LONGEST_BACKFILL_DAYS = 30
LATEST_ZONE = timedelta(hours=14)  # where a local day begins first
BEHIND, AHEAD = timedelta(days=7), timedelta(days=120)  # of the calendar, when looking for what we put there
READS_A_PAGE, MOST_READS = 5, 20
PERMISSION_MISSING = 412


class Adapter(AccountAdapter):
    """`secrets` hold the access token."""

    provider = SLUG

    def __init__(self, gateway: Gateway, secrets: Mapping[str, str], scope: str) -> None:
        super().__init__(gateway, bearer(secrets[ACCESS]), scope or None)

    def account(self) -> Raw:
        """Whose the token is, and what he ticked."""
        who = self.ask_object("GET", "/user/id", base="user", operation="profile")
        return {"userId": who.get("userId"), "permissions": list(self.permissions())}

    def permissions(self) -> tuple[str, ...]:
        """A list, or an object that holds it: Garmin answers either."""
        answer = self.ask("GET", "/user/permissions", base="user", operation="permissions")
        found = answer.get("permissions") if isinstance(answer, dict) else answer
        if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
            raise bad_answer(SLUG, "permissions")
        return tuple(found)

    def deregister(self) -> None:
        assert SPEC.oauth is not None
        self.ask("DELETE", SPEC.oauth.revoke, base="user", operation="revoke", idempotent=True)

    def newest_workouts(self, start: int) -> RawPage:
        """Of ours those that stand on the calendar, newest first: a copy that was never scheduled cannot be found."""
        today = datetime.now(UTC).date()
        entries = self._schedules(today - BEHIND, today + AHEAD)
        found = {number for row in entries if (number := _number_or_none(row.get("workoutId")))}
        newest = sorted(found, reverse=True)[:MOST_READS]
        after = start + READS_A_PAGE
        rows = [row for number in newest[start:after] if (row := self._workout_if_there(number))]
        return RawPage(rows, after if after < len(newest) else None)

    def workout(self, external_id: str) -> Raw:
        raw = self.ask_object("GET", f"{WORKOUT}/{self.number(external_id)}", operation="read_workout")
        raw.pop("ownerId", None)  # numbers people otherwise than `userId` does
        return raw

    def create_workout(self, raw: Raw) -> Raw:
        return self.ask_object("POST", NEW_WORKOUT, operation="create_workout", idempotent=False, json=raw)

    def replace_workout(self, external_id: str, raw: Raw) -> None:
        number = self.number(external_id)
        body = raw | {"workoutId": int(number)}
        self.ask("PUT", f"{WORKOUT}/{number}", operation="replace_workout", idempotent=True, json=body)

    def delete_workout(self, external_id: str) -> None:
        self.ask("DELETE", f"{WORKOUT}/{self.number(external_id)}", operation="delete_workout", idempotent=True)

    def schedule(self, external_id: str, on: date) -> Raw:
        """The new entry; Garmin answers its number, alone or in an object."""
        body = {"workoutId": int(self.number(external_id)), "date": on.isoformat()}
        answer = self.ask("POST", f"{SCHEDULE}/", operation="schedule", idempotent=False, json=body)
        if isinstance(answer, dict):
            return body | answer
        if isinstance(answer, int) and not isinstance(answer, bool):
            return body | {"workoutScheduleId": answer}
        raise bad_answer(SLUG, "schedule")

    def unschedule(self, schedule_id: str) -> None:
        self.ask("DELETE", f"{SCHEDULE}/{self.number(schedule_id)}", operation="unschedule", idempotent=True)

    def calendar(self, year: int, month: int) -> Raw:
        first = date(year, month, 1)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        return {"schedules": self._schedules(first, last)}

    def activity_page(self, start: int, *, since: date | None, until: date | None = None) -> RawPage:
        """What reached Garmin on one day, the latest first; days without anything are passed over.

        `start` is 0, or the second (of the epoch) at which the day before the last page ended. A day goes from its
        second to the one before it recurs, so that no two pages share an activity, however slowly they are read. What
        was recorded by `until` may have come at any time since, so the last day is always today's.
        """
        now = int(time.time())
        earliest = max(_earliest(since), now - MOST_DAYS * DAY_S)
        if until is not None and _midnight(until) + 2 * DAY_S < earliest:
            return RawPage([], None)  # too long ago for a listing: it comes by a backfill
        for end in range(start or now, earliest, -DAY_S):
            if rows := self._uploaded(end - DAY_S + 1, end):
                before = end - DAY_S
                return RawPage(rows, before if before > earliest else None)
        return RawPage([], None)

    def activity(self, external_id: str) -> Raw:
        """No call tells of one activity, so each is taken to be there still: none is ever called gone."""
        return {"summaryId": external_id}

    def request_backfill(self, *, starts_on: date, ends_on: date) -> None:
        """Have Garmin send what was recorded on these days, both included. Safe to repeat: it takes each range once."""
        for first, last in _ranges(starts_on, ends_on):
            params = {"summaryStartTimeInSeconds": first, "summaryEndTimeInSeconds": last}
            try:
                self.ask("GET", BACKFILL, operation="backfill", params=params)
            except errors.ConflictError:  # it was asked for before
                continue

    def _uploaded(self, start: int, end: int) -> list[Raw]:
        params = {"uploadStartTimeInSeconds": start, "uploadEndTimeInSeconds": end}
        rows = self.ask_list(ACTIVITIES, operation="list_activities", params=params)
        whole = [row for row in rows if not row.get("parentSummaryId")]  # a leg is told in its parent as well
        return sorted(whole, key=_started, reverse=True)

    def _schedules(self, first: date, last: date) -> list[Raw]:
        params = {"startDate": first.isoformat(), "endDate": last.isoformat()}
        return self.ask_list(SCHEDULE, operation="calendar", params=params)

    def _workout_if_there(self, number: int) -> Raw | None:
        try:
            return self.workout(str(number))
        except errors.NotFoundError:
            return None

    def ask(self, method: str, path: str, *, operation: str, **kwargs: Any) -> Any:
        try:
            return super().ask(method, path, operation=operation, **kwargs)
        except errors.ValidationError as exc:
            if exc.status != PERMISSION_MISSING:
                raise
        raise errors.AuthorizationError(
            "a permission is missing", provider=SLUG, status=PERMISSION_MISSING, code=MISSING_SCOPE
        )


def _ranges(starts_on: date, ends_on: date) -> Iterator[tuple[int, int]]:
    """First and last second of each piece that one request may ask for."""
    longest = timedelta(days=LONGEST_BACKFILL_DAYS)
    while starts_on <= ends_on:
        after = min(starts_on + longest, ends_on + timedelta(days=1))
        yield _midnight(starts_on), _midnight(after) - 1
        starts_on = after


def _earliest(since: date | None) -> int:
    return 0 if since is None else _midnight(since) - round(LATEST_ZONE.total_seconds())


def _midnight(day: date) -> int:
    return round(datetime.combine(day, clock(), UTC).timestamp())


def _started(row: Raw) -> float:
    """For the order alone: a row that cannot be read is left to the translator."""
    started = row.get("startTimeInSeconds")
    return started if isinstance(started, int | float) else 0.0


def _number_or_none(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
