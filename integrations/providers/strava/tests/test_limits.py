"""How long Strava's headers ask us to wait: to the next natural quarter hour, or to UTC's midnight."""

from datetime import UTC, datetime

import pytest

from integrations.providers.strava.limits import wait_s

AT = datetime(2026, 11, 20, 10, 7, 30, tzinfo=UTC).timestamp()
TO_QUARTER_S, TO_MIDNIGHT_S = 450, 49_950


def headers(usage: str = "87,450", reads: str = "80,400") -> dict[str, str]:
    return {
        "X-RateLimit-Limit": "200,2000", "X-RateLimit-Usage": usage,
        "X-ReadRateLimit-Limit": "100,1000", "X-ReadRateLimit-Usage": reads,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "wait"),
    [
        (headers(), None),
        (headers(usage="200,450"), TO_QUARTER_S),
        (headers(usage="199,1999"), None),
        (headers(reads="100,400"), TO_QUARTER_S),
        (headers(reads="131,400"), TO_QUARTER_S),
        (headers(reads="3,1000"), TO_MIDNIGHT_S),
        (headers(usage="200,2000"), TO_MIDNIGHT_S),
        ({}, None),
    ],
    ids=str,
)
def test_the_longest_wait_counts(given: dict[str, str], wait: float | None) -> None:
    assert wait_s(given, AT) == wait


def test_on_the_stroke_a_whole_window_is_left() -> None:
    stroke = datetime(2026, 11, 20, 10, 15, tzinfo=UTC).timestamp()
    assert wait_s(headers(usage="200,1"), stroke) == 900


@pytest.mark.parametrize("odd", ["", "200", "200,", "a,b", "-1,-1", "200,2000,3", "٢٠٠,٢", "9" * 500 + ",1", "0,0"])
def test_what_cannot_be_read_asks_for_nothing(odd: str) -> None:
    assert wait_s(headers(usage=odd), AT) is None
    assert wait_s(headers() | {"X-RateLimit-Limit": odd}, AT) is None
