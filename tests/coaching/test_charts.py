"""Step profiles and totals; what templates show of them."""

from html import escape
from typing import Any
from xml.etree import ElementTree

import pytest
from django.template import Context, Template
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coaching.charts import MOST_BARS, Totals, step_profile, totals
from integrations.records import (
    End,
    EndKind,
    Intensity,
    RepeatStep,
    Segment,
    Sport,
    Step,
    Target,
    TargetKind,
    WorkoutRecord,
    WorkoutStep,
)
from tests.strategies import workouts

NASTY = "<script>alert(1)</script>\"'&"


def step(kind: EndKind = EndKind.TIME, value: float | None = 60, **fields: Any) -> WorkoutStep:
    return WorkoutStep(end=End(kind=kind, value=value), **fields)


def workout(*steps: Step, sport: Sport = Sport.RUNNING, name: str = "W") -> WorkoutRecord:
    return WorkoutRecord(name=name, sport=sport, segments=(Segment(sport=sport, steps=steps),))


def paced(value: float, low: float, high: float, kind: EndKind = EndKind.DISTANCE) -> WorkoutStep:
    return step(kind, value, target=Target(kind=TargetKind.PACE, low=low, high=high))


REST = step(intensity=Intensity.REST)


def svg(record: WorkoutRecord, **options: Any) -> ElementTree.Element:
    return ElementTree.fromstring(step_profile(record, **options))


def bars(record: WorkoutRecord, **options: Any) -> list[ElementTree.Element]:
    return svg(record, **options).findall("rect")


def efforts(*steps: Step, sport: Sport = Sport.RUNNING) -> list[int]:
    return [int(bar.attrib["class"].split()[0].removeprefix("effort-")) for bar in bars(workout(*steps, sport=sport))]


def test_time_only_steps_add_up_exactly() -> None:
    record = workout(step(value=600), RepeatStep(count=6, steps=(step(value=45), REST)), sport=Sport.CYCLING)
    assert totals(record) == Totals(duration_s=600 + 6 * 105, distance_m=None, exact=True)


def test_a_pace_turns_metres_into_time_and_back() -> None:
    by_distance = totals(workout(RepeatStep(count=5, steps=(paced(400, 3.0, 5.0),))))
    assert by_distance == Totals(duration_s=500, distance_m=2000, exact=False)
    by_time = totals(workout(paced(100, 3.0, 5.0, EndKind.TIME)))
    assert by_time == Totals(duration_s=100, distance_m=400, exact=True)


def test_without_a_pace_the_sports_usual_one_serves() -> None:
    run, ride = (totals(workout(step(EndKind.DISTANCE, 1000), sport=sport)) for sport in (Sport.RUNNING, Sport.CYCLING))
    assert run.duration_s > ride.duration_s > 60
    assert not run.exact
    assert run.distance_m == ride.distance_m == 1000


def test_a_pace_of_nothing_is_none() -> None:
    assert (
        totals(workout(paced(1000, 0, 1e-300))).duration_s == totals(workout(step(EndKind.DISTANCE, 1000))).duration_s
    )


def test_open_ends_are_guessed_and_say_so() -> None:
    for open_end in (step(EndKind.LAP_BUTTON, None), step(EndKind.HEART_RATE, 150), step(EndKind.REPS, 10)):
        sums = totals(workout(open_end))
        assert sums.duration_s > 0
        assert not sums.exact


def test_the_last_rest_may_be_left_out() -> None:
    for skip, seconds in ((True, 300), (False, 360)):
        group = RepeatStep(count=3, steps=(step(), REST), skip_last_rest=skip)
        assert totals(workout(group)).duration_s == seconds
    without_rest = RepeatStep(count=3, steps=(step(), step()), skip_last_rest=True)
    assert totals(workout(without_rest)).duration_s == 360


def test_as_many_rounds_as_fit() -> None:
    group = RepeatStep(count=None, end=End(kind=EndKind.TIME, value=600), steps=(step(value=40), step(value=20)))
    assert totals(workout(group)).duration_s == 600
    assert len(bars(workout(group))) == 20


def test_no_steps() -> None:
    for record in (workout(), workout(RepeatStep(count=400, steps=(RepeatStep(count=400),)))):
        assert totals(record) == Totals(duration_s=0, distance_m=None, exact=False)
        drawing = svg(record)
        assert drawing.findall("rect") == []
        assert drawing.findtext("desc") == "No steps."


def test_bars_are_as_wide_as_steps_last_and_fill_the_picture() -> None:
    first, second = bars(workout(step(value=300), step(value=900)), size="page")
    assert float(second.attrib["x"]) == pytest.approx(180)
    assert float(second.attrib["width"]) / float(first.attrib["width"]) == pytest.approx(3, rel=0.02)
    assert float(second.attrib["x"]) + float(second.attrib["width"]) == pytest.approx(720, abs=3)


def test_harder_is_higher_and_stands_on_the_ground() -> None:
    drawn = bars(workout(*(step(target=Target(kind=TargetKind.HEART_RATE, zone=zone)) for zone in range(1, 6))))
    heights = [float(bar.attrib["height"]) for bar in drawn]
    assert heights == sorted(heights)
    assert len(set(heights)) == 5
    for bar in drawn:
        assert float(bar.attrib["y"]) + float(bar.attrib["height"]) == pytest.approx(31, abs=0.02)


def test_efforts_by_zone() -> None:
    def zoned(kind: TargetKind, zone: int) -> WorkoutStep:
        return step(target=Target(kind=kind, zone=zone))

    assert efforts(*(zoned(TargetKind.HEART_RATE, zone) for zone in (1, 3, 5, 9))) == [1, 3, 5, 5]
    assert efforts(*(zoned(TargetKind.POWER, zone) for zone in (1, 2, 4, 7))) == [1, 1, 3, 5]


def test_efforts_by_target_beside_the_others() -> None:
    watts = [step(target=Target(kind=TargetKind.POWER, low=low, high=low + 20)) for low in (90, 190, 240, 290)]
    assert efforts(*watts) == [1, 2, 3, 5]


def test_one_steady_target_is_not_all_out() -> None:
    assert efforts(paced(10_000, 2.8, 3.0)) == [3]


def test_efforts_by_kind_of_step() -> None:
    kinds = (Intensity.WARMUP, Intensity.REST, Intensity.RECOVERY, Intensity.COOLDOWN)
    assert efforts(*(step(intensity=kind) for kind in kinds)) == [2, 0, 1, 2]
    assert efforts(RepeatStep(count=2, steps=(step(), REST))) == [4, 0, 4, 0]


def test_many_steps_are_drawn_together_but_last_as_long() -> None:
    hard = step(value=30, target=Target(kind=TargetKind.HEART_RATE, zone=5))
    record = workout(RepeatStep(count=499, steps=(hard, REST)))
    drawn = bars(record)
    assert 200 < len(drawn) <= MOST_BARS
    assert {bar.attrib["class"].split()[0] for bar in drawn} == {"effort-5"}
    last = drawn[-1]
    assert float(last.attrib["x"]) + float(last.attrib["width"]) == pytest.approx(120, abs=1)


def test_a_stored_bomb_is_drawn_in_bounded_time() -> None:
    bomb: Step = step()
    for _ in range(5):
        bomb = RepeatStep(count=10**9, steps=(bomb,))
    assert 0 < len(bars(workout(bomb))) <= MOST_BARS


def test_it_is_a_picture_with_words_and_without_style() -> None:
    record = workout(step(value=600, intensity=Intensity.WARMUP), paced(400, 4.0, 4.2), name="Hills")
    for size, box in (("card", "0 0 120 32"), ("page", "0 0 720 180")):
        drawing = svg(record, size=size)
        assert (drawing.attrib["role"], drawing.attrib["viewBox"]) == ("img", box)
        assert drawing[0].tag == "title"
        assert drawing[0].text == "Step profile of Hills"
        assert drawing.findtext("desc") == "About 12 min: Warm up 10 min; 400 m at 3:58–4:10 /km"
        assert not [item for item in drawing.iter() if "style" in item.attrib or "fill" in item.attrib]
    assert bars(record)[0].attrib["class"] == "effort-2 kind-warmup"


def test_each_bar_of_a_page_tells_its_step_in_the_readers_units() -> None:
    record = workout(step(EndKind.DISTANCE, 5000))
    assert bars(record, size="page", units="imperial")[0].findtext("title") == "3.11 mi"
    assert bars(record, size="card")[0].find("title") is None


def test_names_and_exercises_are_shown_as_text() -> None:
    record = workout(step(exercise=NASTY, notes=NASTY), sport=Sport.STRENGTH, name=NASTY)
    for size in ("card", "page"):
        markup = step_profile(record, size=size)
        assert "<script" not in markup
        assert ElementTree.fromstring(markup).findtext("title") == f"Step profile of {NASTY}"


def test_a_name_of_any_length_keeps_the_description_short() -> None:
    record = workout(*(step(exercise="x" * 200) for _ in range(50)), sport=Sport.STRENGTH)
    assert len(svg(record).findtext("desc") or "") <= 300


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.sampled_from([Sport.RUNNING, Sport.SWIMMING, Sport.STRENGTH, Sport.MULTISPORT]).flatmap(workouts))
def test_every_workout_has_a_picture(record: WorkoutRecord) -> None:
    drawing = svg(record, size="page")
    assert len(drawing.findall("rect")) <= MOST_BARS
    for bar in drawing.findall("rect"):
        assert float(bar.attrib["width"]) > 0
        assert 0 <= float(bar.attrib["x"]) <= 720
    assert totals(record).duration_s >= 0


def rendered(markup: str, **context: Any) -> str:
    return Template("{% load workouts %}" + markup).render(Context(context))


class Reader:
    units = "imperial"


def test_templates_show_charts_in_the_readers_units() -> None:
    record = workout(step(EndKind.DISTANCE, 5000))
    assert "3.11 mi" in rendered("{% step_profile record size='page' %}", record=record, user=Reader())
    assert "5 km" in rendered("{% step_profile record %}", record=record)


def test_templates_escape_the_words() -> None:
    record = workout(step(exercise=NASTY, notes=NASTY, extras={"garmin": {"story": NASTY}}), sport=Sport.STRENGTH)
    shown = rendered(
        "{% steps_in_words record as lines %}{% for line in lines %}{{ line.text }}{{ line.note }}{% endfor %}",
        record=record,
    )
    assert "<script" not in shown
    assert shown.count(escape(NASTY)) == 3  # the exercise, the notes and what is kept


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("{{ 2310|duration }}", "38 min"),
        ("{{ none|duration }}", ""),
        ("{{ 10000|distance }}", "10 km"),
        ("{{ 10000|distance:'imperial' }}", "6.21 mi"),
        ("{{ none|distance:'imperial' }}", ""),
        ("{{ 'hiit'|sport }}", "HIIT"),
        ("{{ odd|sport }}", "weird &amp; odd"),
    ],
)
def test_filters(markup: str, text: str) -> None:
    assert rendered(markup, none=None, odd="weird & odd") == text


@pytest.mark.parametrize("sport", [*Sport, "luge"])
def test_every_sport_has_an_icon(sport: str) -> None:
    assert rendered("{% sport_icon sport %}", sport=sport).startswith("<svg")


def test_what_is_kept_can_be_shown() -> None:
    record = WorkoutRecord(name="W", sport=Sport.RUNNING, extras={"garmin": {"subSportType": "TRAIL"}})
    assert rendered("{% also_set record %}", record=record) == "Also set at Garmin: sub sport type trail."
    assert rendered("{% totals record as sums %}{{ sums.exact }}", record=record) == "False"
