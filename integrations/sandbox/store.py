"""The sandbox's memory: one JSON file, written whole and atomically, or nothing but memory."""

import json
import os
import threading
from pathlib import Path
from typing import Any

FORMAT = 2  # of the file; raise it when what a sandbox keeps changes its shape


class ForeignFile(Exception):
    """The file is not one of ours, or was written by another version."""


class Store:
    """Sections of JSON-able data by provider and name. Callers hold `lock`, change what they get, then `save()`."""

    def __init__(self, file: Path | None = None) -> None:
        self.lock = threading.RLock()  # one for all sandboxes: a save writes what every one of them holds
        self._file = file
        self._data: dict[str, Any] = {}
        if file and file.exists():
            self._data = _read(file)

    def section(self, slug: str, name: str) -> dict[str, Any]:
        with self.lock:
            found: dict[str, Any] = self._data.setdefault(slug, {}).setdefault(name, {})
            return found

    def save(self) -> None:
        """Safe against a crash at any moment: the old file or the new one, never half of one."""
        if self._file is None:
            return
        with self.lock:
            text = json.dumps({"format": FORMAT, "providers": self._data}, separators=(",", ":"))
            draft = self._file.with_suffix(".new")
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
                out.write(text)
            os.replace(draft, self._file)


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise ForeignFile(f"{file} holds no JSON") from exc
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ForeignFile(f"{file} was written by another version of the sandbox; remove it to start anew")
    found: dict[str, Any] = content["providers"]
    return found
