"""The light check: one cheap call to each provider that nobody has called for a while."""

import time

import structlog
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from integrations import credentials, errors, gateways, health, tracing, wording
from integrations.client import client_for
from integrations.models import Connection, HealthReport, Provider
from integrations.resilience.admission import CLOSED
from integrations.timing import seconds, timing

log = structlog.get_logger(__name__)

MOST_KEPT = 100  # light checks per provider
Kind, Outcome = HealthReport.Kind, HealthReport.Outcome
ANSWERS = wording.pattern(_("It answers, with {status} at its front door."))
ANSWERS_ODDLY = wording.pattern(_("It answers, with {status} at its front door, which is fine."))


def look_at_quiet() -> int:
    """Check the providers that were quiet. Returns how many. Safe to run twice: one worker checks a provider."""
    HealthReport.objects.end_lost()
    checked = 0
    for provider in Provider.objects.may_call("sync"):
        if _is_quiet(provider) and (report := _claim(provider)):
            _check(provider, report)
            _forget_old(provider)
            checked += 1
    return checked


def reach(provider: Provider, *, direction: str = "") -> str:
    """Ask for nothing at the provider's address; any answer but a server's error will do. Returns it in words.

    Raises the error when there was none.
    """
    gateway = gateways.gateway_for(provider)
    base = "api" if "api" in gateway.base_urls else next(iter(gateway.base_urls))
    try:
        answer = gateway.request("HEAD", "/", operation="reach", base=base, direction=direction)
    except errors.IntegrationError as exc:
        if exc.status is None or isinstance(exc, errors.ServerError | errors.RateLimitError):
            raise
        return ANSWERS_ODDLY.format(status=exc.status)
    return ANSWERS.format(status=answer.status)


def _is_quiet(provider: Provider) -> bool:
    """Nobody called for a while, and a call would not be refused: an open circuit whose time is over wants a probe."""
    found = health.of(provider)
    circuit = found.standing.circuit
    if circuit.forced or circuit.retry_after or found.paused_until:
        return False
    since = timezone.now() - seconds(timing().health_quiet_s)
    return circuit.state != CLOSED or found.last_call_at is None or found.last_call_at < since


@transaction.atomic
def _claim(provider: Provider) -> HealthReport | None:
    """The right to check: the provider's row is locked for a moment, and a check just begun is left to its worker."""
    row = Provider.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=provider.pk).first()
    since = timezone.now() - seconds(timing().health_gap_s)
    if row is None or row.health_reports.filter(kind=Kind.CHECK, created_at__gt=since).exists():
        return None
    trace_id = tracing.current_trace_id()
    return HealthReport.objects.create(provider=row, kind=Kind.CHECK, outcome=Outcome.RUNNING, trace_id=trace_id)


def _check(provider: Provider, report: HealthReport) -> None:
    started = time.monotonic()
    try:
        outcome, code, detail = Outcome.OK, "", _ask(provider)
    except (errors.AuthenticationError, errors.AuthorizationError, credentials.TokenBusy) as exc:
        outcome, code, detail = Outcome.DEGRADED, exc.code, f"It answers, but not with this login. {exc.message}"
    except errors.IntegrationError as exc:
        outcome, code, detail = (Outcome.DEGRADED if exc.halted else Outcome.FAILED), exc.code, exc.message
    took_s = time.monotonic() - started
    step = {
        "key": "check",
        "name": "Light check",
        "outcome": outcome,
        "code": code,
        "detail": detail,
        "seconds": round(took_s, 3),
    }
    report.keep(outcome=outcome, error_code=code[:40], seconds=took_s, steps=[step])
    log.info("provider_checked", provider=provider.slug, outcome=outcome, error_code=code)


def _ask(provider: Provider) -> str:
    """With the login of whoever was read last; without anybody, at the door."""
    active = Connection.objects.active().filter(provider=provider, credential__refresh_failures=0)
    connection = active.select_related("provider", "user").order_by("-last_ok_at", "-pk").first()
    if connection is None:
        return reach(provider, direction="sync")
    client_for(connection, direction="sync").account()
    return "An account could be read."


def _forget_old(provider: Provider) -> None:
    kept = provider.health_reports.filter(kind=Kind.CHECK).order_by("-created_at").values("pk")[:MOST_KEPT]
    provider.health_reports.filter(kind=Kind.CHECK).exclude(pk__in=list(kept.values_list("pk", flat=True))).delete()
