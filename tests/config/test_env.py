from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.mark.parametrize(
    ("written", "read"), [("1", True), ("Yes", True), (" on ", True), ("false", False), ("0", False), ("", True)]
)
def test_flags_are_read_in_every_common_spelling(monkeypatch: pytest.MonkeyPatch, written: str, read: bool) -> None:
    monkeypatch.setenv("A_FLAG", written)
    assert env.flag("A_FLAG", default=True) is read


@pytest.mark.parametrize("written", ["ture", "2", "y es"])
def test_a_misspelled_flag_stops_the_start(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("A_FLAG", written)
    with pytest.raises(ImproperlyConfigured, match="A_FLAG must be true or false"):
        env.flag("A_FLAG")


def test_numbers_are_checked_against_their_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_NUMBER", "0")
    assert env.whole("A_NUMBER", 5) == 0
    for read in (lambda: env.whole("A_NUMBER", 5, least=1), lambda: env.number("A_NUMBER", 5)):
        with pytest.raises(ImproperlyConfigured, match="A_NUMBER must be"):
            read()
    monkeypatch.setenv("A_NUMBER", "many")
    with pytest.raises(ImproperlyConfigured, match="A_NUMBER"):
        env.whole("A_NUMBER", 5)


def test_a_value_may_stand_in_a_file_with_a_new_line_at_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("kept-in-a-file\n")
    monkeypatch.setenv("IN_A_FILE_FILE", str(tmp_path / "secret"))
    assert env.text("IN_A_FILE") == "kept-in-a-file"


def test_a_file_that_is_not_there_stops_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_FILE_FILE", str(tmp_path / "absent"))
    with pytest.raises(ImproperlyConfigured, match="NO_FILE"):
        env.text("NO_FILE", "a default must not hide the mistake")


def test_only_postgresql_is_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_DATABASE", "postgres://app:secret@db.example/app")
    found = env.database("A_DATABASE")
    assert found is not None
    assert (found["HOST"], found["NAME"]) == ("db.example", "app")
    monkeypatch.setenv("A_DATABASE", "sqlite:///file?password=secret")
    with pytest.raises(ImproperlyConfigured) as caught:
        env.database("A_DATABASE")
    assert "secret" not in str(caught.value)
