"""What may be published: every type of event with its meaning, its version and the fields of its payload.

A payload holds numbers, flags and code words. What people wrote, addresses and secrets do not get in: a consumer looks
such things up by the event's subject, with the rights that hold by then. Each app registers the types of its own facts.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

LONGEST_CODE = 40
_CODE = re.compile(rf"[A-Za-z0-9_.:-]{{0,{LONGEST_CODE}}}")


class UnknownEvent(ValueError):
    """What is published or subscribed to is not in the catalogue. A mistake in our code, so nothing catches it."""


class Kind(StrEnum):
    """What a field of a payload holds."""

    CODE = "a code word"
    CODES = "a list of code words"
    FLAG = "yes or no"
    NUMBER = "a whole number"
    NUMBERS = "a list of whole numbers"


def _is_code(value: Any) -> bool:
    return isinstance(value, str) and _CODE.fullmatch(value) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_FITS: Mapping[Kind, Callable[[Any], bool]] = {
    Kind.CODE: _is_code,
    Kind.CODES: lambda value: isinstance(value, list) and all(_is_code(each) for each in value),
    Kind.FLAG: lambda value: isinstance(value, bool),
    Kind.NUMBER: _is_number,
    Kind.NUMBERS: lambda value: isinstance(value, list) and all(_is_number(each) for each in value),
}


@dataclass(frozen=True, slots=True)
class EventType:
    """`fields` are always there, `optional` ones only where they mean something. Either change raises `version`."""

    name: str
    meaning: str
    fields: Mapping[str, Kind] = field(default_factory=dict)
    optional: Mapping[str, Kind] = field(default_factory=dict)
    version: int = 1

    def check(self, payload: Mapping[str, Any]) -> None:
        """UnknownEvent unless `payload` is as declared. The message names fields, never what they hold."""
        known = {**self.fields, **self.optional}
        if wrong := sorted((payload.keys() - known.keys()) | (self.fields.keys() - payload.keys())):
            raise UnknownEvent(f"{self.name} v{self.version} does not go with these fields: {', '.join(wrong)}")
        for name, value in payload.items():
            if not _FITS[known[name]](value):
                raise UnknownEvent(f"{self.name} v{self.version}: {name} is not {known[name]}")


_catalogue: dict[str, EventType] = {}


def register(*types: EventType) -> None:
    """Called once by each app, before anything is published. A name has one meaning: UnknownEvent when it is taken."""
    for each in types:
        if each.name in _catalogue:
            raise UnknownEvent(f"{each.name} is registered already")
        _catalogue[each.name] = each


def get(name: str) -> EventType:
    if name not in _catalogue:
        raise UnknownEvent(f"no app registers events of type {name}")
    return _catalogue[name]


def names() -> list[str]:
    return sorted(_catalogue)


_STANDING = {"provider": Kind.CODE, "operation": Kind.CODE, "reason": Kind.CODE}
_COUNTS = {"created": Kind.NUMBER, "updated": Kind.NUMBER, "gone": Kind.NUMBER, "bad": Kind.NUMBER}

register(
    EventType("connection.activated", "An account works, for the first time or again."),
    EventType("connection.needs_reauth", "The provider no longer takes the login.", {"reason": Kind.CODE}),
    EventType("connection.disconnected", "A connection ended; with purge its library goes, too.", {"purge": Kind.FLAG}),
    EventType("credential.renewed", "The provider gave new tokens.", {"version": Kind.NUMBER}),
    EventType("credential.renewal_failed", "New tokens were asked for in vain; we go on trying.", {"code": Kind.CODE}),
    EventType("sync.started", "A run reads its first page.", {"resource": Kind.CODE, "trigger": Kind.CODE}),
    EventType(
        "sync.finished",
        "A run reached the end; what vanished beyond measure is held for an approval.",
        {"resource": Kind.CODE, "held": Kind.NUMBER, **_COUNTS},
    ),
    EventType(
        "sync.failed",
        "A run gave up; its stream comes back later.",
        {"resource": Kind.CODE, "error_code": Kind.CODE, **_COUNTS},
    ),
    EventType(
        "provider.changed",
        "Operations changed what counts for a provider; the fields are named.",
        {"provider": Kind.CODE, "mode": Kind.CODE, "fields": Kind.CODES},
    ),
    EventType("maintenance.planned", "Operations planned a pause of a provider, or moved it.", {"provider": Kind.CODE}),
    EventType(
        "maintenance.cancelled",
        "Operations called a planned pause off, or ended one that had begun.",
        {"provider": Kind.CODE, "begun": Kind.FLAG},
    ),
    EventType(
        "flag.changed",
        "Operations changed who has a part of the product.",
        {"flag": Kind.CODE, "enabled": Kind.FLAG, "percentage": Kind.NUMBER},
    ),
    EventType("integration.circuit.opened", "Calls to a provider stop for a while.", _STANDING),
    EventType("integration.circuit.closed", "Calls to a provider go out again.", _STANDING),
    EventType(
        "integration.ratelimit.reached",
        "The provider asked for a pause; the whole bucket waits.",
        {"provider": Kind.CODE, "bucket": Kind.CODE, "retry_after_s": Kind.NUMBER},
    ),
)
