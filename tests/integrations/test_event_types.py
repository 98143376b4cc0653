"""The catalogue of events: complete in both directions, and nothing private fits into what it lets through."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from accounts.models import User
from integrations import event_types, events
from integrations.event_types import EventType, Kind, UnknownEvent
from integrations.models import DomainEvent

ROOT = Path(__file__).resolve().parents[2]
PUBLISH = {"publish", "publish_each"}
NAMES = event_types.names()
FITTING = {
    Kind.CODE: "rate_limit",
    Kind.CODES: ["mode", "notice"],
    Kind.FLAG: True,
    Kind.NUMBER: 3,
    Kind.NUMBERS: [3, 4],
}
PRIVATE = [
    "ada@example.org",
    "Bearer c2VjcmV0c2VjcmV0",
    "my knee hurts",
    "https://example.org/callback?code=4711",
    "cv1:k1:" + "Zm9v" * 20,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJlc2lnbmF0dXJl",
    "line\nbreak",
]


class Site(NamedTuple):
    """One place that publishes: the types it may name and the fields it gives by name."""

    where: str
    kinds: set[str]
    fields: set[str]
    all_named: bool


def published() -> Iterator[Site]:
    for package in ("accounts", "integrations", "coaching", "webhooks", "config"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name != "events.py" or path.parent.name != "integrations":
                yield from _sites(path, _parsed(path))


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _is_events(node: ast.AST, names: set[str]) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr in names
        and isinstance(node.value, ast.Name)
        and node.value.id == "events"
    )


def _calls(module: ast.Module) -> Iterator[tuple[ast.Call, ast.FunctionDef | None]]:
    """Every call with the function that it stands in."""
    inside = {
        node: function
        for function in ast.walk(module)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and node.args:
            yield node, inside.get(node)


def _sites(path: Path, module: ast.Module) -> Iterator[Site]:
    for call, function in _calls(module):
        if _is_events(call.func, PUBLISH):
            kind = call.args[0]
        elif _is_events(call.args[0], PUBLISH):  # partial(events.publish, …)
            kind = call.args[1]
        else:
            continue
        named = {word.arg for word in call.keywords if word.arg} - {"connection"}
        where = f"{path.relative_to(ROOT)}:{call.lineno}"
        yield Site(where, _words(kind, module, function), named, all(word.arg for word in call.keywords))


def _words(node: ast.AST, module: ast.Module, function: ast.FunctionDef | None) -> set[str]:
    """The texts an expression may be: names are followed to where they are set, parameters to where they are given."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return _words(node.body, module, function) | _words(node.orelse, module, function)
    found: set[str] = set()
    if isinstance(node, ast.Name):
        for place in [*module.body, *(ast.walk(function) if function else [])]:
            if isinstance(place, ast.Assign) and any(getattr(to, "id", "") == node.id for to in place.targets):
                found |= _words(place.value, module, function)
        if function and node.id in (names := [each.arg for each in function.args.args]):
            found |= _given(function.name, names.index(node.id), module)
    return found


def _given(function: str, position: int, module: ast.Module) -> set[str]:
    return {
        word
        for call, caller in _calls(module)
        if isinstance(call.func, ast.Name) and call.func.id == function
        for word in _words(call.args[position], module, caller)
    }


def sample(kind: str) -> dict[str, Any]:
    declared = event_types.get(kind)
    return {name: FITTING[what] for name, what in {**declared.fields, **declared.optional}.items()}


@pytest.mark.parametrize("site", list(published()), ids=lambda site: site.where)
def test_whatever_is_published_is_in_the_catalogue(site: Site) -> None:
    assert site.kinds, "the test cannot see which type this is: name it where it is published"
    for kind in site.kinds:
        declared = event_types.get(kind)
        assert site.fields <= {*declared.fields, *declared.optional}
        if site.all_named:
            assert declared.fields.keys() <= site.fields


def test_whatever_is_in_the_catalogue_is_published_somewhere() -> None:
    assert {kind for site in published() for kind in site.kinds} == set(NAMES)


@pytest.mark.parametrize("kind", NAMES)
def test_each_type_says_what_it_means_and_fits_its_columns(kind: str) -> None:
    declared = event_types.get(kind)
    assert declared.meaning.endswith(".")
    assert declared.version >= 1
    assert len(kind) <= (DomainEvent._meta.get_field("type").max_length or 0)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", NAMES)
def test_nothing_private_fits_into_a_payload(kind: str, coach: User) -> None:
    fitting = sample(kind)
    assert events.publish(kind, coach, **fitting).as_dict()["payload"] == fitting
    for name in fitting:
        for private in PRIVATE:
            for smuggled in (private, [private], {"deep": private}):
                with pytest.raises(UnknownEvent) as refused:
                    events.publish(kind, coach, **{**fitting, name: smuggled})
                assert private not in str(refused.value)
    assert DomainEvent.objects.count() == 1


@pytest.mark.django_db
def test_unknown_types_and_fields_are_refused(coach: User) -> None:
    with pytest.raises(UnknownEvent, match="no app registers"):
        events.publish("connection.exploded", coach)
    with pytest.raises(UnknownEvent, match="no app registers"):
        events.subscribe("connection.exploded", lambda event: None)
    with pytest.raises(UnknownEvent, match="purge"):
        events.publish("connection.disconnected", coach)
    with pytest.raises(UnknownEvent, match="colour"):
        events.publish_each("workout.shared", [coach], colour="red")
    with pytest.raises(UnknownEvent, match="version is not a whole number"):
        events.publish("credential.renewed", coach, version=True)
    assert not DomainEvent.objects.exists()


def test_a_name_has_one_meaning() -> None:
    with pytest.raises(UnknownEvent, match="registered already"):
        event_types.register(EventType("sync.finished", "Something else."))
    assert event_types.get("sync.finished").fields["held"] == Kind.NUMBER
