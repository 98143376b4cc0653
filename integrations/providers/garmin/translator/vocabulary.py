"""Garmin's numbers and words for sports, steps, ends, targets, strokes, equipment and units.

The numbers decide; the words differ between Garmin's own products and are read only where no number stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from integrations.records import EndKind, Equipment, Intensity, Sport, Stroke, TargetKind


@dataclass(frozen=True)
class Vocabulary[T]:
    """One kind of type object, `{"<prefix>Id": 1, "<prefix>Key": "running"}`."""

    prefix: str
    entries: Mapping[T, tuple[int, str]]
    aliases: Mapping[str, T] = field(default_factory=dict)  # words of other sources for the same thing
    display_order: Mapping[int, int] = field(default_factory=dict)  # where it is not the number itself

    @property
    def id_field(self) -> str:
        return f"{self.prefix}Id"

    @property
    def key_field(self) -> str:
        return f"{self.prefix}Key"

    def member(self, number: int | None, key: str) -> T | None:
        """What the pair stands for; None when Garmin has a word that we do not know."""
        if number:
            return next((member for member, entry in self.entries.items() if entry[0] == number), None)
        return next((member for member, entry in self.entries.items() if entry[1] == key), self.aliases.get(key))

    def written(self, member: T) -> dict[str, Any]:
        number, key = self.entries[member]
        return {
            self.id_field: number,
            self.key_field: key,
            "displayOrder": self.display_order.get(number, number),
        }


SPORTS = Vocabulary[Sport](
    "sportType",
    {
        Sport.RUNNING: (1, "running"),
        Sport.CYCLING: (2, "cycling"),
        Sport.OTHER: (3, "other"),
        Sport.SWIMMING: (4, "swimming"),
        Sport.STRENGTH: (5, "strength_training"),
        Sport.CARDIO: (6, "cardio_training"),
        Sport.YOGA: (7, "yoga"),
        Sport.PILATES: (8, "pilates"),
        Sport.HIIT: (9, "hiit"),
        Sport.MULTISPORT: (10, "multi_sport"),
        Sport.MOBILITY: (11, "mobility"),
    },
    aliases={"lap_swimming": Sport.SWIMMING, "fitness_equipment": Sport.CARDIO},
    display_order={4: 3},
)

STEP_TYPES = Vocabulary[Intensity](
    "stepType",
    {
        Intensity.WARMUP: (1, "warmup"),
        Intensity.COOLDOWN: (2, "cooldown"),
        Intensity.INTERVAL: (3, "interval"),
        Intensity.RECOVERY: (4, "recovery"),
        Intensity.REST: (5, "rest"),
        Intensity.OTHER: (7, "other"),
        Intensity.MAIN: (8, "main"),
    },
)
REPEAT = {"stepTypeId": 6, "stepTypeKey": "repeat", "displayOrder": 6}

ENDS = Vocabulary[EndKind](
    "conditionType",
    {
        EndKind.LAP_BUTTON: (1, "lap.button"),
        EndKind.TIME: (2, "time"),
        EndKind.DISTANCE: (3, "distance"),
        EndKind.CALORIES: (4, "calories"),
        EndKind.POWER: (5, "power"),
        EndKind.HEART_RATE: (6, "heart.rate"),
        EndKind.ITERATIONS: (7, "iterations"),
        EndKind.FIXED_REST: (8, "fixed.rest"),
        EndKind.SEND_OFF: (9, "fixed.repetition"),
        EndKind.REPS: (10, "reps"),
        EndKind.VELOCITY_LOSS: (17, "velocity.loss"),
        EndKind.POWER_LOSS: (24, "power.loss"),
    },
)

TARGETS = Vocabulary[TargetKind](
    "workoutTargetType",
    {
        TargetKind.NONE: (1, "no.target"),
        TargetKind.POWER: (2, "power.zone"),
        TargetKind.CADENCE: (3, "cadence"),
        TargetKind.HEART_RATE: (4, "heart.rate.zone"),
        TargetKind.SPEED: (5, "speed.zone"),
        TargetKind.PACE: (6, "pace.zone"),
        TargetKind.GRADE: (7, "grade"),
        TargetKind.HEART_RATE_LAP: (8, "heart.rate.lap"),
        TargetKind.POWER_LAP: (9, "power.lap"),
        TargetKind.STROKE: (14, "swim.stroke"),
        TargetKind.RESISTANCE: (15, "resistance"),
        TargetKind.CSS_OFFSET: (17, "swim.css.offset"),
        TargetKind.INSTRUCTION: (19, "instruction"),
    },
    aliases={"cadence.zone": TargetKind.CADENCE, "open": TargetKind.NONE},
)

STROKES = Vocabulary[Stroke](
    "strokeType",
    {
        Stroke.ANY: (1, "any_stroke"),
        Stroke.BACKSTROKE: (2, "backstroke"),
        Stroke.BREASTSTROKE: (3, "breaststroke"),
        Stroke.DRILL: (4, "drill"),
        Stroke.BUTTERFLY: (5, "fly"),
        Stroke.FREESTYLE: (6, "free"),
        Stroke.MEDLEY: (7, "individual_medley"),
    },
    aliases={
        "mixed": Stroke.ANY,
        "back": Stroke.BACKSTROKE,
        "breast": Stroke.BREASTSTROKE,
        "im": Stroke.MEDLEY,
    },
)

EQUIPMENT = Vocabulary[Equipment](
    "equipmentType",
    {
        Equipment.FINS: (1, "fins"),
        Equipment.KICKBOARD: (2, "kickboard"),
        Equipment.PADDLES: (3, "paddles"),
        Equipment.PULL_BUOY: (4, "pull_buoy"),
        Equipment.SNORKEL: (5, "snorkel"),
    },
)

NO_STROKE = {"strokeTypeId": 0, "displayOrder": 0}
NO_EQUIPMENT = {"equipmentTypeId": 0, "displayOrder": 0}

UNITS: dict[str, dict[str, Any]] = {
    "meter": {"unitId": 1, "unitKey": "meter", "factor": 100.0},
    "kilometer": {"unitId": 2, "unitKey": "kilometer", "factor": 100000.0},
    "mile": {"unitKey": "mile"},  # its number is nowhere certain; Garmin takes the word alone
    "yard": {"unitId": 230, "unitKey": "yard", "factor": 91.44},
    "kilogram": {"unitId": 8, "unitKey": "kilogram", "factor": 1000.0},
}


class TargetFields(NamedTuple):
    kind: str
    low: str
    high: str
    zone: str
    unit: str


TARGET = TargetFields("targetType", "targetValueOne", "targetValueTwo", "zoneNumber", "targetValueUnit")
SECOND_TARGET = TargetFields(
    "secondaryTargetType",
    "secondaryTargetValueOne",
    "secondaryTargetValueTwo",
    "secondaryZoneNumber",
    "secondaryTargetValueUnit",
)

# What Garmin's server sets itself. Sent back, or to another account, it would claim an owner, an id or a plan of
# someone else; the marks of one account's objects belong here, too.
SERVER_SET = frozenset(
    {
        "workoutId",
        "workoutUuid",
        "ownerId",
        "author",
        "createdDate",
        "updatedDate",
        "updateDate",
        "uploadTimestamp",
        "stepId",
        "stepOrder",
        "childStepId",
        "segmentOrder",
        "consumer",
        "consumerName",
        "atpPlanId",
        "trainingPlanId",
        "shared",
        "workoutThumbnailUrl",
    }
)
SERVER_SET_PREFIX = "estimated"


def is_server_set(key: str) -> bool:
    return key in SERVER_SET or key.startswith(SERVER_SET_PREFIX)
