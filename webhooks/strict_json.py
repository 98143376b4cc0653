"""JSON as we take it from strangers: everything Python's parser lets through and our database or stack would not."""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

DEEPEST = 64
LONGEST_NUMBER = 40  # characters
BOM = b"\xef\xbb\xbf"


class InvalidJSON(Exception):
    """The body is not JSON that we take."""


def loads(body: bytes) -> tuple[Any, bool]:
    """The value, and whether an object in it named a key twice; the last one counts then. Raises InvalidJSON only."""
    is_repeating = False

    def objects(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal is_repeating
        found = dict(pairs)
        is_repeating = is_repeating or len(found) < len(pairs)
        return found

    try:
        if body.startswith(BOM):
            raise InvalidJSON
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=objects,
            parse_constant=_refuse,
            parse_int=_whole,
            parse_float=_number,
        )
    except (ValueError, RecursionError):
        raise InvalidJSON from None
    _check(value, body)
    return value, is_repeating


def _check(value: Any, body: bytes) -> None:
    """Walks the value only where the bytes say that something may be wrong with it."""
    if body.count(b"{") + body.count(b"[") > DEEPEST and any(depth > DEEPEST for _, depth in _walk(value)):
        raise InvalidJSON
    if b"\\u" in body and not all(_is_storable(text) for text, _ in _walk(value) if isinstance(text, str)):
        raise InvalidJSON


def _walk(value: Any) -> Iterator[tuple[Any, int]]:
    """Every value and key with its depth; without recursion."""
    waiting = [(value, 1)]
    while waiting:
        found, depth = waiting.pop()
        yield found, depth if isinstance(found, dict | list) else depth - 1
        if isinstance(found, dict):
            waiting.extend((each, depth + 1) for pair in found.items() for each in pair)
        elif isinstance(found, list):
            waiting.extend((each, depth + 1) for each in found)


def _is_storable(text: str) -> bool:
    """PostgreSQL holds neither NUL nor half a surrogate pair."""
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _whole(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if len(text) > LONGEST_NUMBER or number in (float("inf"), float("-inf")):
        raise ValueError
    return number


def _refuse(_: str) -> NoReturn:
    raise ValueError
