"""Rows that workers claim by a guarded UPDATE with a lease: the database decides, the broker only rings.

A claim raises `attempts` and sets a fresh `lease_token`; every later write of that worker is guarded by the token, so a
worker that lost its lease changes nothing. Only the database's clock counts.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar, Self
from uuid import UUID, uuid4

from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from integrations.timing import seconds, timing


class LeaseLost(Exception):
    """Another worker, or a person, has taken the row: what was begun is undone, and nobody is told."""


class LeasedQuerySet[T: "Leased"](models.QuerySet[T]):
    def due(self) -> Self:
        """Rows that may be claimed now."""
        model = self.model
        return self.filter(status__in=model.DUE, next_attempt_at__lte=Now(), lease_token=None)

    def lapsed(self) -> Self:
        """Rows whose worker let its lease run out."""
        return self.filter(lease_until__lt=Now())

    def claim(self, pk: int) -> T | None:
        """Take one due row, or None when it is not due or somebody else has it. Safe to run twice, in parallel too."""
        token = uuid4()
        if not self.due().filter(pk=pk).update(**self._claimed(token)):
            return None
        return self.get(pk=pk)

    def claim_batch(self, size: int) -> list[T]:
        """Take up to `size` due rows, oldest first, skipping what others are taking."""
        token = uuid4()
        due = self.due().order_by("next_attempt_at", "pk").select_for_update(skip_locked=True, no_key=True)
        with transaction.atomic():
            self.filter(pk__in=list(due.values_list("pk", flat=True)[:size])).update(**self._claimed(token))
        return list(self.filter(lease_token=token).order_by("pk"))

    def _claimed(self, token: UUID) -> dict[str, Any]:
        return {
            "status": self.model.claimed_status(),
            "attempts": F("attempts") + 1,
            "lease_token": token,
            "lease_until": Now() + self.model.lease(),
        }


class Leased(models.Model):
    """Work on a row. A subclass has a `status`, says which are `DUE`, which is `WORKING`, how long a lease is."""

    DUE: ClassVar[Sequence[str]] = ()
    WORKING: ClassVar[str] = ""
    LEASE: ClassVar[str] = ""  # an attribute of Timing

    attempts = models.PositiveSmallIntegerField(default=0)
    crashes = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(db_default=Now())
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    error_code = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=500, blank=True)

    class Meta:
        abstract = True

    @classmethod
    def claimed_status(cls) -> Any:
        """The status a claim sets; an expression where it depends on the row."""
        return cls.WORKING

    @classmethod
    def lease(cls) -> timedelta:
        return seconds(getattr(timing(), cls.LEASE))

    def write(self, **fields: Any) -> bool:
        """Guarded write that keeps the lease. False: the lease is lost, stop without side effects."""
        manager: models.Manager[Self] = type(self)._default_manager  # type: ignore[assignment]
        written = manager.filter(pk=self.pk, lease_token=self.lease_token).exclude(lease_token=None).update(**fields)
        if written:
            for name, value in fields.items():
                setattr(self, name, value)
        return bool(written)

    def extend(self) -> bool:
        """A heartbeat: the lease runs anew from now."""
        return self.write(lease_until=Now() + self.lease())

    def settle(self, **fields: Any) -> bool:
        """Guarded write that gives the lease back. False: it was lost meanwhile and nothing was written."""
        return self.write(lease_token=None, lease_until=None, **fields)


def lease_checks(name: str) -> list[models.BaseConstraint]:
    """The constraint every leased table has."""
    return [
        models.CheckConstraint(
            condition=Q(lease_token=None, lease_until=None) | Q(lease_token__isnull=False, lease_until__isnull=False),
            name=f"{name}_lease_whole",
        )
    ]


def lease_indexes(name: str, due: Sequence[str], working: Sequence[str]) -> list[models.Index]:
    """The indexes that finding due rows and lapsed leases stand on."""
    return [
        models.Index(fields=["next_attempt_at"], condition=Q(status__in=list(due)), name=f"{name}_due"),
        models.Index(fields=["lease_until"], condition=Q(status__in=list(working)), name=f"{name}_reaper"),
    ]
