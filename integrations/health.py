"""How a provider is: its row, its gateway, its last calls and the newest look at it; and the same for its users."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Max, Min
from django.utils import timezone

from integrations import control, gateways
from integrations.gateways import Standing
from integrations.models import Connection, HealthReport, Provider, SyncJob
from integrations.recent import Recent
from integrations.resilience.admission import CLOSED, OPEN, CircuitSnapshot
from integrations.resilience.gateway import PROVIDER

OPERATIONAL, DEGRADED, PAUSED = "operational", "degraded", "paused"
SUMMARY_S = 2

type WebhookSource = Callable[[Provider], datetime | None]


@dataclass(frozen=True, slots=True)
class Health:
    """A provider at a moment. Times of calls are the newest that the circuit, its connections or a look tell of."""

    provider: Provider
    standing: Standing
    last_ok_at: datetime | None
    last_failure_at: datetime | None
    last_failure_code: str
    report: HealthReport | None
    oldest_due_at: datetime | None

    @property
    def last_call_at(self) -> datetime | None:
        return _newest(self.last_ok_at, self.last_failure_at)

    @property
    def outcome(self) -> str:
        """Of the last call: "ok", "failed", or empty while there was none."""
        if self.last_call_at is None:
            return ""
        return "ok" if self.last_call_at == self.last_ok_at else "failed"

    @property
    def paused_until(self) -> datetime | None:
        """The provider asked everybody to slow down."""
        pauses = [bucket.paused_until for bucket in self.standing.buckets if bucket.key == PROVIDER]
        return _newest(*map(moment, pauses))


@dataclass(frozen=True, slots=True)
class Service:
    """One direction of a provider as its users meet it. `until` is when it is tried again, where that is known."""

    status: str
    until: datetime | None = None
    code: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """Each direction of a provider: operational, degraded or paused."""

    services: dict[str, Service]

    @property
    def status(self) -> str:
        """The worst of them; what works in part is degraded, not paused."""
        found = {service.status for service in self.services.values()}
        return found.pop() if len(found) == 1 else DEGRADED


_summaries: Recent[int, Summary] = Recent(SUMMARY_S, most=100)
_webhook_sources: list[WebhookSource] = []


def of_all() -> list[Health]:
    """Every provider; five queries in all and one Redis trip each for API and login."""
    providers = list(Provider.objects.all())
    last_ok = dict(Connection.objects.order_by().values_list("provider_id").annotate(last=Max("last_ok_at")))
    waiting = SyncJob.objects.unheard().order_by().values_list("stream__connection__provider_id")
    due = dict(waiting.annotate(oldest=Min("next_attempt_at")))
    newest = {report.provider_id: report for report in latest_reports()}
    return [_health(each, last_ok.get(each.pk), newest.get(each.pk), due.get(each.pk)) for each in providers]


def of(provider: Provider) -> Health:
    last_ok = provider.connections.aggregate(last=Max("last_ok_at"))["last"]
    report = provider.health_reports.over().filter(connection=None).first()
    waiting = SyncJob.objects.unheard().order_by().filter(stream__connection__provider=provider)
    return _health(provider, last_ok, report, waiting.aggregate(oldest=Min("next_attempt_at"))["oldest"])


def latest_reports() -> Iterable[HealthReport]:
    """The newest finished look at each provider itself."""
    about_itself = HealthReport.objects.over().filter(connection=None)
    return about_itself.order_by("provider_id", "-created_at").distinct("provider_id")


def summary(provider: Provider) -> Summary:
    """For pages that many people load: at most two seconds old in this process."""
    return _summaries.get(provider.pk, lambda: summarise(provider, gateways.standing(provider)))


def summarise(provider: Provider, standing: Standing) -> Summary:
    """Of a standing that was just read."""
    return Summary({direction: _service(provider, standing, direction) for direction in control.DIRECTIONS})


def forget() -> None:
    """The next summary is read anew."""
    _summaries.forget()


def add_webhook_source(source: WebhookSource) -> None:
    """Called once by the app that receives webhooks: `source` tells when a provider's last one came."""
    _webhook_sources.append(source)


def last_webhook_at(provider: Provider) -> datetime | None:
    return _newest(*(source(provider) for source in _webhook_sources))


def as_json(health: Health) -> dict[str, Any]:
    """For machines. Names no person, no account, no version and no operator's reason."""
    standing, now = health.standing, timezone.now()
    told = summarise(health.provider, standing)
    return {
        "provider": health.provider.slug,
        "mode": health.provider.mode,
        "status": told.status,
        "directions": {
            name: {"status": each.status, "until": _text(each.until)} for name, each in told.services.items()
        },
        "outcome": health.outcome or None,
        "last_ok": _at(health.last_ok_at, now),
        "last_failure": {**_at(health.last_failure_at, now), "code": health.last_failure_code},
        "circuit": {"api": _circuit_json(standing.circuit), "login": _circuit_json(standing.login)},
        "buckets": [
            {
                "bucket": bucket.key,
                "limit": bucket.limit,
                "remaining": round(bucket.remaining, 1),
                "paused_until": _text(moment(bucket.paused_until)),
            }
            for bucket in standing.buckets
        ],
        "paused_until": _text(health.paused_until),
        "shared_state": standing.shared,
        "oldest_due": _at(health.oldest_due_at, now),
        "check": _report_json(health.report, now),
    }


def moment(epoch: float | None) -> datetime | None:
    return datetime.fromtimestamp(epoch, UTC) if epoch is not None else None


def retry_at(circuit: CircuitSnapshot) -> datetime | None:
    """When an open circuit lets the next call try; None for one that a person holds open, or that is not open."""
    if circuit.state != OPEN or circuit.forced or circuit.retry_after is None:
        return None
    return moment(timezone.now().timestamp() + circuit.retry_after)


def _health(
    provider: Provider, last_ok_at: datetime | None, report: HealthReport | None, due: datetime | None
) -> Health:
    standing = gateways.standing(provider)
    circuit = standing.circuit
    checked = report if report and report.kind == HealthReport.Kind.CHECK else None
    checked_ok = checked.created_at if checked and checked.outcome == HealthReport.Outcome.OK else None
    checked_bad = checked.created_at if checked and checked.outcome == HealthReport.Outcome.FAILED else None
    failed_at = _newest(moment(circuit.last_failure_at), checked_bad)
    code = checked.error_code if checked and failed_at == checked_bad else circuit.last_failure_code
    ok_at = _newest(last_ok_at, moment(circuit.last_ok_at), checked_ok)
    return Health(provider, standing, ok_at, failed_at, code if failed_at else "", report, due)


def _service(provider: Provider, standing: Standing, direction: str) -> Service:
    """What operations switched off is paused; what the provider's trouble slows down is degraded."""
    if refused := control.refusal(provider, direction):
        return Service(PAUSED, refused.until, refused.code, refused.since)
    circuits = [standing.circuit, *([standing.login] if direction == "connect" else [])]
    since = _newest(*(moment(circuit.opened_at) for circuit in circuits if circuit.state != CLOSED))
    if any(circuit.forced for circuit in circuits):
        return Service(PAUSED, code="tripped", since=since)
    if any(circuit.state != CLOSED for circuit in circuits):
        return Service(DEGRADED, _newest(*map(retry_at, circuits)), "circuit_open", since)
    pauses = [moment(bucket.paused_until) for bucket in standing.buckets if bucket.key == PROVIDER]
    if until := _newest(*pauses):
        return Service(DEGRADED, until, "rate_limit")
    return Service(OPERATIONAL)


def _newest(*moments: datetime | None) -> datetime | None:
    return max((each for each in moments if each is not None), default=None)


def _text(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def _at(at: datetime | None, now: datetime) -> dict[str, Any]:
    return {"at": _text(at), "age_s": round((now - at).total_seconds()) if at else None}


def _circuit_json(circuit: CircuitSnapshot) -> dict[str, Any]:
    return {
        "state": circuit.state.lower(),
        "tripped_by_hand": bool(circuit.forced),
        "failures": circuit.failures,
        "calls": circuit.calls,
        "opened_at": _text(moment(circuit.opened_at)),
        "retry_at": _text(retry_at(circuit)),
    }


def _report_json(report: HealthReport | None, now: datetime) -> dict[str, Any] | None:
    if report is None:
        return None
    facts = {"kind": report.kind, "outcome": report.outcome, "code": report.error_code}
    return {**facts, **_at(report.created_at, now), "seconds": round(report.seconds, 3)}
