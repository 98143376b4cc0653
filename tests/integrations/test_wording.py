"""What rows keep in English is said in their reader's language, whatever stands in its places."""

from collections.abc import Iterator

import pytest
from django.utils.translation import override

from integrations import control, errors, shortcomings
from integrations.records import Problem
from integrations.wording import told

TWO_SENTENCES = errors.ValidationError.advice  # one entry of the catalogue


@pytest.fixture(autouse=True)
def _german() -> Iterator[None]:
    with override("de"):
        yield


def test_english_readers_get_what_is_kept() -> None:
    with override("en"):
        assert told(TWO_SENTENCES) == TWO_SENTENCES


def test_an_entry_of_several_sentences_is_said_as_one() -> None:
    assert (
        told(TWO_SENTENCES)
        == "Der Anbieter hat den Inhalt abgelehnt. Er wird nicht noch einmal gesendet, bis er sich ändert."
    )


def test_places_keep_what_fills_them() -> None:
    kept = control.SWITCHED_OFF["deliver"].format(p="Garmin Connect")
    assert told(kept) == "Das Senden an Garmin Connect ist gerade angehalten."


def test_words_in_places_are_said_too() -> None:
    problem = Problem(step=3, message=shortcomings.NO_SUCH_TARGET.format(p="Garmin", step="warmup"))
    assert (
        told(shortcomings.in_words(problem)) == "Schritt 3: Garmin kennt ein solches Ziel nicht (Schritt „Aufwärmen“)."
    )


def test_sentences_in_a_row_are_said_one_by_one() -> None:
    first = shortcomings.AT_STEP.format(n=1, problem=shortcomings.ENDLESS_REPEAT)
    second = shortcomings.NO_SPORT.format(p="Garmin", sport="rowing")
    assert told(f"{first} {second} {TWO_SENTENCES}") == f"{told(first)} {told(second)} {told(TWO_SENTENCES)}"
    assert "has no" not in told(second)


def test_a_place_never_reaches_into_the_next_sentence() -> None:
    paused = control.ON_HOLD.format(p="Strava")
    off = control.OFF.format(p="Garmin")
    assert told(f"{paused} {off}") == f"{told(paused)} {told(off)}"


def test_the_same_place_twice_is_the_same_word() -> None:
    said = shortcomings.HIGH_ZONE.format(step="main", kind="power", zone=9, p="Garmin", most=7)
    assert told(said) == "Der Schritt „Hauptteil“ verlangt Zone 9 (Leistung); bei Garmin enden diese Zonen mit 7."
    assert told(said.replace("power zones", "pace zones")) == said.replace("power zones", "pace zones")


def test_what_follows_in_brackets_is_said_where_it_is_known() -> None:
    advice = errors.ServerError.advice
    assert told(f"{advice} (garmin answered 503)") == f"{told(advice)} (garmin antwortete mit 503)"
    assert told(f"{advice} (ECONNRESET)") == f"{told(advice)} (ECONNRESET)"


@pytest.mark.parametrize("words", ["", "nobody ever wrote this", "Half a {place", "100 %", "a\nb. c"])
def test_what_nobody_knows_stays_as_it_is(words: str) -> None:
    assert told(words) == words


def test_every_advice_is_known() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.IntegrationError)
    ]
    assert len(kinds) > 15
    assert [kind.__name__ for kind in kinds if told(kind.advice) == kind.advice] == []


def test_every_shortcoming_and_every_name_in_it_is_known() -> None:
    texts = [text for name, text in vars(shortcomings).items() if name.isupper() and isinstance(text, str)]
    assert len(texts) > 25
    assert [text for text in texts if told(text) == text] == []
    known_alike = {"cardio", "multisport"}  # the same in German
    assert {word for word in shortcomings.VOCABULARY if told(word) == word} <= known_alike
