"""FIT files, as watches write them: https://developer.garmin.com/fit/protocol/"""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import fitdecode
from django.utils.translation import gettext
from fitdecode import CrcCheck, ErrorHandling, FitDataMessage, FitDefinitionMessage

from coaching.files import fit_frames
from coaching.files.shapes import MOST_POINTS, Budget, FileActivity, FileRefused, Point, number, pulse
from integrations.records import LapRecord, Sport

MOST_FIELDS = 20_000  # that its messages are defined by, each time anew; a watch needs some hundreds
MOST_OFFSET_S = 18 * 3600
LOOK_EVERY = 64  # frames
WANTED = {"record", "session", "lap", "file_id", "activity"}
SPORTS = {
    "running": Sport.RUNNING,
    "cycling": Sport.CYCLING,
    "e_biking": Sport.CYCLING,
    "swimming": Sport.SWIMMING,
    "walking": Sport.WALKING,
    "hiking": Sport.HIKING,
    "mountaineering": Sport.HIKING,
    "rowing": Sport.ROWING,
    "multisport": Sport.MULTISPORT,
    "hiit": Sport.HIIT,
    "fitness_equipment": Sport.CARDIO,
}
TRAININGS = {
    "strength_training": Sport.STRENGTH,
    "cardio_training": Sport.CARDIO,
    "yoga": Sport.YOGA,
    "pilates": Sport.PILATES,
    "hiit": Sport.HIIT,
    "mobility": Sport.MOBILITY,
    "indoor_rowing": Sport.ROWING,
}

type Values = dict[str, Any]  # of one message, by the names of the profile


def read(content: bytes, budget: Budget) -> FileActivity:
    """Raises FileRefused for whatever the format forbids: half an activity is worse than none."""
    fit_frames.check(content, budget)
    try:
        return _summed(_messages(content, budget))
    except fitdecode.FitError:
        raise fit_frames.invalid() from None
    except (ValueError, TypeError, LookupError, OverflowError, ArithmeticError):  # the library meets senseless bytes
        raise fit_frames.invalid() from None


def _summed(messages: Iterator[tuple[str, Values]]) -> FileActivity:
    found, sessions = FileActivity("fit"), list[Values]()
    for name, message in messages:
        match name:
            case "record":
                _take_point(found, message)
            case "session":
                sessions.append(message)
            case "lap":
                found.laps.append(_lap(message))
            case "file_id":
                _take_file_id(found, message)
            case "activity":
                found.utc_offset_s = _offset_s(message)
    _take_sessions(found, sessions)
    return found


def _messages(content: bytes, budget: Budget) -> Iterator[tuple[str, Values]]:
    """Names and values. What the library only grumbles at (texts without an end) watches write every day."""
    fields = 0
    options = {"check_crc": CrcCheck.DISABLED, "error_handling": ErrorHandling.IGNORE}  # it was checked, and faster
    with fitdecode.FitReader(io.BytesIO(content), processor=fit_frames.Moments(), **options) as reader:
        for count, frame in enumerate(reader):
            if count % LOOK_EVERY == 0:
                budget.spend()
            if isinstance(frame, FitDefinitionMessage):
                fields += sum(1 for _ in frame.all_field_defs)
                if fields > MOST_FIELDS:
                    raise fit_frames.invalid()
                fit_frames.narrow(frame)
            elif isinstance(frame, FitDataMessage) and frame.name in WANTED:
                yield frame.name, {field.name: field.value for field in reversed(frame.fields)}


def _take_point(found: FileActivity, message: Values) -> None:
    at = _moment(message, "timestamp")
    if at is None:
        return
    if len(found.points) >= MOST_POINTS:
        raise FileRefused(gettext("This file holds more samples than we read."), code="too_many_points")
    found.points.append(
        Point(
            at=at,
            heart_rate=pulse(_number(message, "heart_rate")),
            speed_mps=_either(message, "enhanced_speed", "speed", most=150),
            power_w=_number(message, "power", most=5_000),
            distance_m=_number(message, "distance"),
        )
    )


def _lap(message: Values) -> LapRecord:
    return LapRecord(
        duration_s=_either(message, "total_timer_time", "total_elapsed_time") or 0.0,
        distance_m=_number(message, "total_distance"),
        ascent_m=_number(message, "total_ascent"),
        avg_hr=pulse(_number(message, "avg_heart_rate")),
        max_hr=pulse(_number(message, "max_heart_rate")),
        avg_speed_mps=_either(message, "enhanced_avg_speed", "avg_speed", most=150),
        avg_power_w=_number(message, "avg_power", most=5_000),
    )


def _take_file_id(found: FileActivity, message: Values) -> None:
    kind = message.get("type", "activity")
    if kind not in ("activity", 4):
        raise FileRefused(
            gettext("This FIT file holds no activity but a %(what)s.") % {"what": str(kind).replace("_", " ")},
            code="fit_other",
        )
    if serial := _number(message, "serial_number", most=2**32):
        found.device = str(int(serial))


def _take_sessions(found: FileActivity, sessions: list[Values]) -> None:
    if not sessions:
        return
    kinds = {_sport(session) for session in sessions}
    found.sport = kinds.pop() if len(kinds) == 1 else Sport.MULTISPORT
    found.started_at = min((at for s in sessions if (at := _moment(s, "start_time"))), default=None)
    found.duration_s = _total(_either(s, "total_timer_time", "total_elapsed_time") for s in sessions)
    found.distance_m = _total(_number(s, "total_distance") for s in sessions)
    found.ascent_m = _total(_number(s, "total_ascent") for s in sessions)
    found.energy_kcal = _total(_number(s, "total_calories") for s in sessions)
    if len(sessions) == 1:  # averages of legs are no average of the whole
        found.avg_hr = pulse(_number(sessions[0], "avg_heart_rate"))
    found.max_hr = max((rate for s in sessions if (rate := pulse(_number(s, "max_heart_rate")))), default=None)


def _sport(session: Values) -> Sport:
    kind, detail = (str(session.get(key, "")) for key in ("sport", "sub_sport"))
    return TRAININGS.get(detail) or SPORTS.get(kind, Sport.OTHER)


def _offset_s(message: Values) -> int | None:
    """How far the wearer's clock was ahead: the file tells the end in both."""
    local, at = message.get("local_timestamp"), _moment(message, "timestamp")
    if not isinstance(local, datetime) or at is None:
        return None
    offset_s = round((local.replace(tzinfo=UTC) - at).total_seconds() / 900) * 900
    return offset_s if abs(offset_s) <= MOST_OFFSET_S else None


def _moment(message: Values, key: str) -> datetime | None:
    value = message.get(key)
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else None


def _number(message: Values, key: str, *, most: float = 1e9) -> float | None:
    return number(message.get(key), most=most)


def _either(message: Values, key: str, other: str, *, most: float = 1e9) -> float | None:
    found = _number(message, key, most=most)
    return _number(message, other, most=most) if found is None else found


def _total(values: Iterator[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
