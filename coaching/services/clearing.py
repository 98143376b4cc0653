"""Files that no row names: what somebody leaves who dies between storing a file and writing of it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import batched
from pathlib import PurePosixPath
from uuid import UUID

from django.core.files.storage import default_storage
from django.utils import timezone

from coaching.models import ActivityFile, Upload

AGE = timedelta(hours=1)  # until then its row may still be on its way
BATCH = 500


def clear_strays() -> int:
    """Delete strays of this month and the last one. Returns how many. Safe in parallel, and to run twice."""
    now = timezone.now()
    months = [f"{moment:%Y/%m}" for moment in (now.replace(day=1) - timedelta(days=1), now)]
    strays = (path for month in months for path in _strays(month))
    return sum(_cleared(path, now - AGE) for path in strays)


def _strays(month: str) -> Iterator[str]:
    for path in _listed(f"uploads/{month}"):
        if not Upload.objects.filter(stored=path).exists():
            yield path
    for batch in batched(_listed(f"activities/{month}"), BATCH):
        ids = [public_id for path in batch if (public_id := _public_id(path))]
        named = set(ActivityFile.objects.filter(public_id__in=ids).values_list("stored", flat=True))
        yield from (path for path in batch if path not in named)


def _public_id(path: str) -> UUID | None:
    """A file of ours is called by its row, which is found by that and not by its path."""
    try:
        return UUID(PurePosixPath(path).stem)
    except ValueError:
        return None


def _listed(folder: str) -> list[str]:
    try:
        return [f"{folder}/{name}" for name in default_storage.listdir(folder)[1]]
    except FileNotFoundError:  # nobody uploaded anything; object storages answer an empty list
        return []


def _cleared(path: str, oldest: datetime) -> int:
    try:
        if default_storage.get_modified_time(path) >= oldest:
            return 0
    except FileNotFoundError:  # it went meanwhile
        return 0
    default_storage.delete(path)
    return 1
