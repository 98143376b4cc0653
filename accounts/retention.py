"""How long each kind of row is kept: every app registers its rules, one tick keeps them, the admin shows them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.contrib.sessions.models import Session
from django.db import connection, models, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts.models import AuditEntry, KeptAnswer

log = structlog.get_logger(__name__)

BUDGET_S = 60.0  # of one round; the next one goes on
BATCH = 5_000
CHATTER_DAYS, AUDIT_DAYS = 15, 400


@dataclass(frozen=True, slots=True)
class Rule:
    """`tidy` deletes or blanks one batch and returns how many rows; it is called until it returns 0 or time is up.

    No `tidy`: the rows are kept by a tick of their own, and the rule is here to be seen.
    """

    what: str
    keeps: str
    tidy: Callable[[], int] | None = None


_rules: list[Rule] = []


def register(*rules: Rule) -> None:
    """Called once per app from its `AppConfig.ready()`."""
    _rules.extend(rules)


def rules() -> list[Rule]:
    return list(_rules)


def tidy() -> int:
    """One round over all rules. Returns how many rows went. Safe to run in parallel: a batch locks what it takes."""
    end = time.monotonic() + BUDGET_S
    gone = 0
    for rule in _rules:
        n = _tidy(rule, end)
        if n:
            log.info("retention", what=rule.what, rows=n)
        gone += n
    return gone


def _tidy(rule: Rule, end: float) -> int:
    gone = 0
    while rule.tidy and time.monotonic() < end:
        batch = rule.tidy()
        gone += batch
        if not batch:
            break
    return gone


def in_batches[M: models.Model](old: Callable[[], QuerySet[M]]) -> Callable[[], int]:
    """A rule's `tidy` that deletes what `old` finds; what others hold at the moment waits for the next round."""

    def tidy_batch() -> int:
        with transaction.atomic():
            rows = old()
            ids = list(rows.order_by("pk").select_for_update(skip_locked=True).values_list("pk", flat=True)[:BATCH])
            rows.model._default_manager.filter(pk__in=ids).delete()
        return len(ids)

    return tidy_batch


@transaction.atomic
def tidy_audit() -> int:
    """The only way an audit entry ever goes: the trigger lets this transaction through."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL coaching.audit_retention = 'on'")
        cursor.execute(
            "DELETE FROM accounts_auditentry WHERE id IN (SELECT id FROM accounts_auditentry"
            " WHERE level = %s AND at < now() - make_interval(days => %s)"
            " OR at < now() - make_interval(days => %s) LIMIT %s FOR UPDATE SKIP LOCKED)",
            [AuditEntry.Level.CHATTER, CHATTER_DAYS, AUDIT_DAYS, BATCH],
        )
        return int(cursor.rowcount)


def _lapsed_sessions() -> QuerySet[Session]:
    return Session.objects.filter(expire_date__lt=Now())


def _old_answers() -> QuerySet[KeptAnswer]:
    return KeptAnswer.objects.filter(created_at__lt=Now() - timedelta(days=1))


register(
    Rule("Answers kept for scripts", "24 hours", in_batches(_old_answers)),
    Rule("Sessions", "until they lapse", in_batches(_lapsed_sessions)),
    Rule("Copies of a person's data", "7 days"),
    Rule("Audit log, chatter", f"{CHATTER_DAYS} days", tidy_audit),
    Rule("Audit log, everything else", f"{AUDIT_DAYS} days"),
)
