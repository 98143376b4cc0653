"""Which ids a pass has seen, in so little memory that a history of any length fits."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import blake2b
from itertools import chain

MOST_LOOSE = 1_000


class Seen:
    """A set of ids at eight bytes each. Should two ever fall together, a deletion is overlooked and nothing is lost."""

    def __init__(self, external_ids: Iterable[str] = ()) -> None:
        self._sorted = array("Q")
        self._loose: set[int] = set()
        self.update(external_ids)

    def __contains__(self, external_id: object) -> bool:
        return isinstance(external_id, str) and self._has(_mark(external_id))

    def __len__(self) -> int:
        return len(self._sorted) + len(self._loose)

    def update(self, external_ids: Iterable[str]) -> None:
        for external_id in external_ids:
            self.add(external_id)

    def add(self, external_id: str) -> None:
        mark = _mark(external_id)
        if not self._has(mark):
            self._loose.add(mark)
        if len(self._loose) >= MOST_LOOSE:
            self._sorted = array("Q", sorted(chain(self._sorted, self._loose)))
            self._loose = set()

    def _has(self, mark: int) -> bool:
        if mark in self._loose:
            return True
        at = bisect_left(self._sorted, mark)
        return at < len(self._sorted) and self._sorted[at] == mark


def _mark(external_id: str) -> int:
    return int.from_bytes(blake2b(external_id.encode(errors="replace"), digest_size=8).digest())
