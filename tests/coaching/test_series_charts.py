"""Curves and weeks: what is drawn is what was measured, and it can be read without seeing it."""

import re
from datetime import date, timedelta

from coaching import series_charts, trends
from coaching.files import thinning
from coaching.files.shapes import Point
from coaching.trends import Sums, Week
from integrations.records import DetailsRecord, LapRecord
from tests.coaching.activity_world import START


def details(**series: object) -> DetailsRecord:
    length = max(len(values) for values in series.values())  # type: ignore[arg-type]
    return DetailsRecord(**{"time_s": tuple(float(second) for second in range(length)), **series})  # type: ignore[arg-type]


def points_of(drawing: str) -> list[tuple[str, float, float]]:
    path = re.search(r'class="line" d="([^"]*)"', drawing)
    assert path
    return [(kind, float(x), float(y)) for kind, x, y in re.findall(r"([ML])([\d.]+) ([\d.]+)", path[1])]


def test_a_curve_rises_with_its_values_and_fills_the_width() -> None:
    (curve,) = series_charts.curves(details(heart_rate=(100, 120, 140, 160)), sport="running", units="metric")
    drawn = points_of(curve.drawing)
    assert [x for _, x, _ in drawn] == [0, 200, 400, 600]
    assert [y for _, _, y in drawn] == sorted((y for _, _, y in drawn), reverse=True)
    assert (drawn[0][2], drawn[-1][2]) == (160, 0)
    assert curve.heights == ("160", "130", "100")
    assert curve.mean == "130 bpm"


def test_a_curve_is_a_picture_with_words() -> None:
    (curve,) = series_charts.curves(details(power_w=(200, 210, 220)), sport="cycling", units="metric")
    assert 'role="img"' in curve.drawing
    assert "<title>Power over 2 s: 210 W on average</title>" in curve.drawing
    assert "style" not in curve.drawing


def test_a_line_breaks_where_nothing_was_measured() -> None:
    gap = details(heart_rate=(100, 110, None, 120, 130))
    assert [
        kind for kind, _, _ in points_of(series_charts.curves(gap, sport="running", units="metric")[0].drawing)
    ] == list("MLML")
    pause = DetailsRecord(time_s=(0, 1, 600, 601), heart_rate=(100, 110, 120, 130))
    drawn = points_of(series_charts.curves(pause, sport="running", units="metric")[0].drawing)
    assert [kind for kind, _, _ in drawn] == list("MLML")


def test_runners_read_a_pace_and_riders_a_speed_in_their_units() -> None:
    series = details(speed_mps=(4.0, 4.0, 4.0))
    read = {
        (sport, units): series_charts.curves(series, sport=sport, units=units)[0].mean
        for sport in ("running", "cycling", "swimming")
        for units in ("metric", "imperial")
    }
    assert read == {
        ("running", "metric"): "4:10 /km", ("running", "imperial"): "6:42 /mi",
        ("cycling", "metric"): "14.4 km/h", ("cycling", "imperial"): "8.9 mph",
        ("swimming", "metric"): "0:25 /100 m", ("swimming", "imperial"): "0:23 /100 yd",
    }  # fmt: skip


def test_standing_still_does_not_flatten_the_curve() -> None:
    series = details(speed_mps=(3.0,) * 20 + (0.0,) * 3 + (3.4,) * 20)
    (curve,) = series_charts.curves(series, sport="running", units="metric")
    assert curve.heights[0] == "4:54"  # 3.4 m/s
    assert "–" not in curve.heights


def test_nothing_measured_is_no_curve_and_no_table() -> None:
    empty = DetailsRecord()
    assert series_charts.curves(empty, sport="running", units="metric") == []
    assert series_charts.slices(empty, sport="running", units="metric") == []
    assert series_charts.curves(details(heart_rate=(None, 120, None)), sport="running", units="metric") == []


def test_the_table_holds_the_means_of_equal_stretches() -> None:
    series = details(heart_rate=tuple([100] * 60 + [160] * 61), power_w=tuple([200] * 121))
    rows = series_charts.slices(series, sport="cycling", units="metric")
    assert [row.times for row in rows][:2] == ["0:00–0:10", "0:10–0:20"]
    assert [row.values[0] for row in rows] == ["100"] * 6 + ["160"] * 6
    assert {row.values[1] for row in rows} == {"200"}


def test_a_lap_without_a_figure_leaves_its_place_empty() -> None:
    record = DetailsRecord(laps=(LapRecord(duration_s=300, distance_m=1000), LapRecord(duration_s=60)))
    first, second = series_charts.laps(record, sport="running", units="metric")
    assert (first.speed, first.distance, first.heart_rate) == ("5:00", "1 km", "")
    assert (second.speed, second.distance, second.power) == ("", "", "")


def test_samples_are_thinned_to_means_that_keep_the_whole() -> None:
    points = [Point(START + timedelta(seconds=second), heart_rate=100 + second % 50) for second in range(36_000)]
    thin = thinning.details_of([], points)
    assert len(thin.time_s) == len(thin.heart_rate) == 600
    assert (thin.time_s[0], thin.time_s[-1]) == (0, 35_940)
    known = [rate for rate in thin.heart_rate if rate]
    assert abs(sum(known) / len(known) - 124.5) < 0.2
    assert thin.power_w == ()


def test_samples_that_go_back_in_time_are_left_out() -> None:
    seconds = (0, 5, 3, 5, 10)
    points = [Point(START + timedelta(seconds=second), heart_rate=100 + second) for second in seconds]
    assert thinning.details_of([], points).time_s == (0, 5, 10)


def test_bars_stand_on_each_other_and_reach_the_sum() -> None:
    first, second = Week(date(2026, 11, 9)), Week(date(2026, 11, 16))
    second.sports.update(running=Sums(1, 3600), cycling=Sums(1, 7200))
    second.whole.add(Sums(2, 10_800))
    (bars,) = trends.bars([first, second], "metric")
    found = re.findall(r'class="(sport-\d)" x="([\d.]+)" y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', bars.drawing)
    assert [(name, float(x)) for name, x, _, _ in found] == [("sport-1", 260.0), ("sport-2", 260.0)]
    (_, _, lower, high), (_, _, upper, more) = found
    assert float(lower) + float(high) == trends.HEIGHT
    assert abs(float(upper) + float(more) - float(lower)) < 0.2
    assert bars.heights == ("4 h", "2 h", "0 h")
    assert "Week of 16 November 2026: time 3 h, cycling, running" in bars.drawing


def test_the_rarest_sports_share_one_colour() -> None:
    week = Week(date(2026, 11, 16))
    for number, sport in enumerate(["running", "cycling", "swimming", "yoga", "hiking", "rowing", "walking"]):
        week.sports[sport].add(Sums(1, 1000 - number))
        week.whole.add(Sums(1, 1000 - number))
    assert trends.main_sports([week]) == ["running", "cycling", "swimming", "yoga", "hiking"]
    assert trends.has_rest([week])
    assert trends.bars([week], "metric")[0].drawing.count("sport-rest") == 2
