"""The sandbox's memory: one JSON file, written whole and atomically, or nothing but memory."""

import json
import os
import threading
from pathlib import Path
from typing import Any


class Store:
    """Sections of JSON-able data by provider and name. Callers change what they get and then `save()`."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = threading.RLock()
        self._data: dict[str, Any] = {}
        if file and file.exists():
            self._data = json.loads(file.read_text(encoding="utf-8"))

    def section(self, slug: str, name: str) -> dict[str, Any]:
        with self._lock:
            found: dict[str, Any] = self._data.setdefault(slug, {}).setdefault(name, {})
            return found

    def save(self) -> None:
        """Safe against a crash at any moment: the old file or the new one, never half of one."""
        if self._file is None:
            return
        with self._lock:
            text = json.dumps(self._data, separators=(",", ":"))
            draft = self._file.with_suffix(".new")
            draft.write_text(text, encoding="utf-8")
            os.replace(draft, self._file)
