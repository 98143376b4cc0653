"""The register of everything sealed: which columns hold envelopes, and what binds each row's envelope to its place.

What is not in here is neither rotated nor counted, so a test holds the register against the database's own constraints.
An app above this one registers its columns in its `ready()`.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from allauth.mfa.models import Authenticator
from django.db import models
from django.db.models import Count, F, Func, Q, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Now

from accounts.models import LoginApplication
from integrations.encryption import VERSION, Context
from integrations.models import ConnectSession, Credential, Provider

EVERY = Q()


@dataclass(frozen=True, slots=True)
class Sealed:
    """One envelope as it stands in the database."""

    pk: int
    context: Context
    blob: str


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """`owner` is written with the row's `owner_column` in its braces, as it was when the row was sealed.

    With a `key` the column holds JSON, and the envelope is what stands there under that key.
    """

    model: type[models.Model]
    field: str
    words: str  # for people
    owner: str
    owner_column: str
    key_id_field: str = ""  # a column that repeats the key's id
    needed: Q = EVERY  # the rows that somebody will still open
    is_lasting: bool = True  # False: ends by itself within minutes, so nobody seals it anew
    row_column: str = "public_id"  # what tells the row from all others of the same owner
    key: str = ""

    @property
    def label(self) -> str:
        return self.model._meta.label_lower

    @property
    def name(self) -> str:
        return f"{self.label}.{self.place}"

    @property
    def place(self) -> str:
        """What an envelope's context calls the field."""
        return f"{self.field}.{self.key}" if self.key else self.field

    @property
    def path(self) -> str:
        """What a lookup calls it."""
        return f"{self.field}__{self.key}" if self.key else self.field

    def rows(self) -> "models.QuerySet[Any]":
        return self.model._default_manager.filter(self.needed).exclude(**{self.path: ""})

    def under(self, kids: Iterable[str]) -> "models.QuerySet[Any]":
        """Rows sealed with one of these keys; asked of the envelope itself, whatever other columns say."""
        named = Q(pk__in=[])
        for kid in kids:
            named |= Q(**{f"{self.path}__startswith": f"{VERSION}:{kid}:"})
        return self.rows().filter(named)

    def batches(self, size: int, *, kids: Collection[str] | None = None) -> Iterator[list[Sealed]]:
        """The rows in the order of their ids, `size` at a time; `kids`: of these only what they have sealed.

        A row that changes meanwhile is read as it then is. The key is looked at here, not asked for: PostgreSQL takes
        a prefix that nearly all rows share for a rare one, and then reads the whole table for every batch.
        """
        prefixes = ("",) if kids is None else tuple(f"{VERSION}:{kid}:" for kid in kids)
        values = self.rows().order_by("pk").values_list("pk", self.row_column, self.owner_column, self.path)
        last = 0
        while window := list(values.filter(pk__gt=last)[:size]):
            last = window[-1][0]
            batch = [row for row in window if row[3].startswith(prefixes)]
            if batch:
                yield [Sealed(pk, self.context(row, owner), blob) for pk, row, owner, blob in batch]

    def context(self, row: object, owner: object) -> Context:
        return (self.label, str(row), self.place, self.owner.format(owner))

    def count_by_key(self) -> dict[str, int]:
        envelope = KT(self.path) if self.key else F(self.field)
        kid = Func(envelope, Value(":"), Value(2), function="split_part", output_field=models.TextField())
        return dict(self.rows().order_by().values_list(kid).annotate(n=Count("pk")))


_columns: dict[str, SealedColumn] = {}


def register(column: SealedColumn) -> None:
    """Safe to run twice."""
    _columns[column.name] = column


def columns() -> list[SealedColumn]:
    return list(_columns.values())


register(
    SealedColumn(Credential, "sealed", "logins", "user:{}", "connection__user_id", key_id_field="key_id"),
)
register(SealedColumn(Provider, "client_secret", "client secrets", "provider:{}", "slug"))
register(SealedColumn(LoginApplication, "client_secret", "secrets of login providers", "login:{}", "provider"))
register(
    SealedColumn(
        ConnectSession,
        "sealed",
        "logins being made",
        "user:{}",
        "user_id",
        needed=Q(expires_at__gt=Now()),
        is_lasting=False,
    )
)
for _key in ("secret", "seed"):  # of an app that makes codes; of recovery codes
    register(
        SealedColumn(
            Authenticator,
            "data",
            f"{_key}s of second factors",
            "user:{}",
            "user_id",
            needed=Q(**{f"data__{_key}__startswith": f"{VERSION}:"}),
            row_column="user_id",
            key=_key,
        )
    )
