"""Provider-neutral records: what flows between providers and the product. Frozen, validated, complete.

Units: seconds, metres, metres per second (pace and speed alike), bpm, watts, kilograms, kcal; cadence in rpm, for
running in steps per minute. Whatever a provider sent that has no field here stays verbatim in `extras`, under the
provider's slug, and travels back to it.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

SCHEMA = 1  # of WorkoutRecord.content(); raise it when its meaning changes
MARKER = "tc-ref:"  # stands before our reference in the remote description of what we created


class Sport(StrEnum):
    RUNNING = "running"
    CYCLING = "cycling"
    SWIMMING = "swimming"
    STRENGTH = "strength"
    CARDIO = "cardio"
    YOGA = "yoga"
    PILATES = "pilates"
    HIIT = "hiit"
    MOBILITY = "mobility"
    MULTISPORT = "multisport"
    WALKING = "walking"
    HIKING = "hiking"
    ROWING = "rowing"
    OTHER = "other"


class Intensity(StrEnum):
    WARMUP = "warmup"
    INTERVAL = "interval"
    RECOVERY = "recovery"
    REST = "rest"
    COOLDOWN = "cooldown"
    MAIN = "main"
    OTHER = "other"


class EndKind(StrEnum):
    LAP_BUTTON = "lap_button"
    TIME = "time"
    DISTANCE = "distance"
    CALORIES = "calories"
    POWER = "power"
    HEART_RATE = "heart_rate"
    REPS = "reps"
    ITERATIONS = "iterations"
    FIXED_REST = "fixed_rest"
    SEND_OFF = "send_off"
    VELOCITY_LOSS = "velocity_loss"
    POWER_LOSS = "power_loss"
    OTHER = "other"


class TargetKind(StrEnum):
    NONE = "none"
    HEART_RATE = "heart_rate"
    POWER = "power"
    PACE = "pace"
    SPEED = "speed"
    CADENCE = "cadence"
    GRADE = "grade"
    HEART_RATE_LAP = "heart_rate_lap"
    POWER_LAP = "power_lap"
    STROKE = "stroke"
    RESISTANCE = "resistance"
    CSS_OFFSET = "css_offset"
    INSTRUCTION = "instruction"
    OTHER = "other"


class Stroke(StrEnum):
    ANY = "any"
    BACKSTROKE = "backstroke"
    BREASTSTROKE = "breaststroke"
    DRILL = "drill"
    BUTTERFLY = "butterfly"
    FREESTYLE = "freestyle"
    MEDLEY = "medley"


class Equipment(StrEnum):
    FINS = "fins"
    KICKBOARD = "kickboard"
    PADDLES = "paddles"
    PULL_BUOY = "pull_buoy"
    SNORKEL = "snorkel"


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Extras = dict[str, dict[str, Any]]  # by provider


class End(Record):
    """When a step is over. `zone` for heart rate and power ends given as a zone; `compare` says above or below."""

    kind: EndKind = EndKind.LAP_BUTTON
    value: float | None = None
    compare: Literal["gt", "lt"] | None = None
    zone: int | None = None


class Target(Record):
    """What to hold: a zone, or a range with `low` <= `high` in the unit of `kind`. `unit` as the provider names it."""

    kind: TargetKind = TargetKind.NONE
    zone: int | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""


class TaggedRecord(Record):
    """A record of a union: its `type` is written even where defaults are left out."""

    type: str

    @model_serializer(mode="wrap")
    def _with_type(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"type": self.type, **handler(self)}


class WorkoutStep(TaggedRecord):
    type: Literal["step"] = "step"
    intensity: Intensity = Intensity.INTERVAL
    end: End = End()
    target: Target = Target()
    second_target: Target = Target()
    stroke: Stroke | None = None
    equipment: Equipment | None = None
    exercise_category: str = ""
    exercise: str = ""
    weight_kg: float | None = None
    distance_unit: str = ""  # the unit its author typed a distance in: "meter", "kilometer", "mile", "yard"
    notes: str = ""
    extras: Extras = {}


class RepeatStep(TaggedRecord):
    """Steps done `count` times; `count` None means until `end` (as many rounds as possible)."""

    type: Literal["repeat"] = "repeat"
    count: int | None = None
    end: End = End(kind=EndKind.ITERATIONS)
    steps: tuple["Step", ...] = ()
    skip_last_rest: bool = False
    notes: str = ""
    extras: Extras = {}


Step = Annotated[WorkoutStep | RepeatStep, Field(discriminator="type")]


class Segment(Record):
    """One leg; a single-sport workout has one. `pool_length` in `pool_unit`."""

    sport: Sport = Sport.OTHER
    steps: tuple[Step, ...] = ()
    pool_length: float | None = None
    pool_unit: Literal["meter", "yard", ""] = ""
    notes: str = ""
    extras: Extras = {}


class WorkoutRecord(Record):
    """A planned workout. `external_id` and `version` say where it came from and are no part of its content."""

    name: str
    sport: Sport
    segments: tuple[Segment, ...] = ()
    description: str = ""
    duration_s: float | None = None  # the provider's estimate; often differs from the sum of the steps
    distance_m: float | None = None
    pool_length: float | None = None
    pool_unit: Literal["meter", "yard", ""] = ""
    extras: Extras = {}
    external_id: str = ""
    version: str = ""

    def content(self) -> dict[str, Any]:
        """The canonical form: JSON-able, without defaults and without where it came from."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"external_id", "version"}) | {
            "schema": SCHEMA
        }

    @classmethod
    def from_content(cls, content: dict[str, Any]) -> Self:
        """The record of a stored `content()`; raises pydantic's ValidationError for anything else."""
        return cls.model_validate({key: value for key, value in content.items() if key != "schema"})

    def content_hash(self) -> str:
        """SHA-256 in hex of `content()`; equal for equal workouts, wherever they came from."""
        text = json.dumps(self.content(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def flat_steps(self) -> Iterator[WorkoutStep]:
        """Every single step once, in order, whatever group it stands in."""
        for segment in self.segments:
            yield from _flat(segment.steps)


def _flat(steps: tuple[Any, ...]) -> Iterator[WorkoutStep]:
    for step in steps:
        if isinstance(step, RepeatStep):
            yield from _flat(step.steps)
        else:
            yield step


class WorkoutSummary(Record):
    """A row of a provider's listing: enough to tell whether to read the workout. `version` moves when it changes."""

    external_id: str
    name: str
    version: str
    description: str = ""
    created_at: datetime | None = None


class AccountRecord(Record):
    """Whose account a credential opens; `external_id` is stable for ever.

    `permissions` are what the person allows at this moment, where the provider tells it beside the account.
    """

    external_id: str
    name: str = ""
    time_zone: str = ""
    units: Literal["metric", "imperial", ""] = ""
    permissions: tuple[str, ...] | None = None


class ScheduleRecord(Record):
    """A workout on a day of the provider's calendar."""

    external_id: str
    workout_id: str
    on: date
    title: str = ""


class ActivityRecord(Record):
    external_id: str
    account_id: str = ""  # whose it is, where the provider says so
    sport: Sport
    name: str = ""
    started_at: datetime  # aware, UTC
    utc_offset_s: int = 0
    duration_s: float
    distance_m: float | None = None
    ascent_m: float | None = None
    avg_hr: int | None = None
    max_hr: int | None = None
    energy_kcal: float | None = None
    workout_id: str = ""  # the provider's own link to the planned workout
    time_zone: str = ""  # an IANA name, where the provider says it
    device: str = ""  # the maker's number of the device, where the provider says it
    extras: Extras = {}


class LapRecord(Record):
    """One lap as its watch counted it; what is not known is None, never 0."""

    duration_s: float
    distance_m: float | None = None
    ascent_m: float | None = None
    avg_hr: int | None = None
    max_hr: int | None = None
    avg_speed_mps: float | None = None
    avg_power_w: float | None = None


class DetailsRecord(Record):
    """What is read of an activity when somebody looks: its laps, and samples beside their seconds from the start.

    Every series is as long as `time_s`; a sample that is missing is None.
    """

    laps: tuple[LapRecord, ...] = ()
    time_s: tuple[float, ...] = ()
    heart_rate: tuple[float | None, ...] = ()
    speed_mps: tuple[float | None, ...] = ()
    power_w: tuple[float | None, ...] = ()


class EventKind(StrEnum):
    RESOURCE_CHANGED = "resource_changed"
    RESOURCE_DELETED = "resource_deleted"
    DEAUTHORIZED = "deauthorized"
    PERMISSIONS_CHANGED = "permissions_changed"
    UNKNOWN = "unknown"


class ProviderEvent(Record):
    """One thing a webhook told us, as a hint: the current state is fetched before anything changes.

    `resource` as in our streams ("workouts", "activities"); `name` is the provider's own word for what happened.
    `dedupe_key` is equal for two tellings of the same thing, where a provider repeats itself inside one body.
    `is_whole` says that `data` is all there is to know, as an answer to a call would be, so nothing is fetched.
    """

    kind: EventKind
    name: str = ""
    resource: str = ""
    account_id: str = ""
    object_id: str = ""
    happened_at: datetime | None = None  # aware; None where the provider does not say
    data: dict[str, Any] = {}  # the item as it was sent
    is_whole: bool = False
    dedupe_key: str = ""


class Problem(Record):
    """One thing a target cannot express; `step` counts single steps from 1, 0 stands for the workout as a whole."""

    step: int
    message: str


RepeatStep.model_rebuild()
