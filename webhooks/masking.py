"""A body as operations may read it: its shape whole, what is secret or personal in it not."""

import json
import re
from typing import Any

MASK = "***"
LONGEST_TEXT = 500
LONGEST_SHOWN = 20_000
SECRET_NAMES = re.compile(
    r"pass|secret|token|credential|authori[sz]ation|signature|api_?key|e?mail|phone|name\b|address|lat\b|l(on|ng)\b|"
    r"latitude|longitude|birth|gender|weight|heart|hrm?\b|bpm",
    re.IGNORECASE,
)
QUERY = re.compile(r"(https?://[^\s?#\"]+)[?#][^\s\"]*")
MAIL = re.compile(r"[^\s@\"]+@[^\s@\"]+\.[^\s@\"]+")


def pretty(body: bytes) -> str:
    """Indented, masked, and cut where it is very long."""
    try:
        text = json.dumps(_masked(json.loads(body)), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return f"{len(body):,} bytes that are no JSON"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}\n… and {len(text) - LONGEST_SHOWN:,} more"


def _masked(value: Any, name: str = "") -> Any:
    if name and SECRET_NAMES.search(name) and not isinstance(value, dict | list) and value not in (None, ""):
        return MASK
    if isinstance(value, dict):
        return {key: _masked(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, name) for item in value]
    if isinstance(value, str):
        return MAIL.sub(MASK, QUERY.sub(r"\1?" + MASK, value[:LONGEST_TEXT]))
    return value
