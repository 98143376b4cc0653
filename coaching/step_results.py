"""Planned against done, step by step: the laps of a watch that followed the plan are its steps."""

from collections.abc import Sequence
from dataclasses import dataclass

from coaching import charts, measures, words
from integrations.records import LapRecord, WorkoutRecord

SHORTEST_LAP_S = 2.0  # what the last press of the button leaves behind is no step


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step as it was planned and as it was done, in words; empty where that is not known."""

    number: int
    planned: str
    time: str = ""
    distance: str = ""
    heart_rate: str = ""
    power: str = ""


def results(record: WorkoutRecord, laps: Sequence[LapRecord], units: str) -> list[StepResult]:
    """A row for each step as it is done. What was done stands beside it only if there is a lap for each of them:
    half a table of guesses would tell a wrong story."""
    steps = charts.played(record)
    done = [lap for lap in laps if lap.duration_s >= SHORTEST_LAP_S]
    fits = len(done) == len(steps)
    rows = []
    for number, (step, segment) in enumerate(steps, start=1):
        lap = done[number - 1] if fits else None
        rows.append(_row(number, words.step_in_words(step, segment, units), lap, units))
    return rows


def _row(number: int, planned: str, lap: LapRecord | None, units: str) -> StepResult:
    if lap is None:
        return StepResult(number, planned)
    return StepResult(
        number,
        planned,
        measures.clock(lap.duration_s),
        measures.distance(lap.distance_m, units) if lap.distance_m else "",
        str(lap.avg_hr) if lap.avg_hr else "",
        f"{lap.avg_power_w:.0f}" if lap.avg_power_w else "",
    )
