"""The self-test of a provider or a connection: step by step, each told in words, nothing in them that is secret."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from integrations import bell, credentials, errors, gateways, health, registry, tracing
from integrations.client import client_for
from integrations.models import Connection, Credential, HealthReport, Provider
from integrations.resilience import outbound
from integrations.resilience.admission import CLOSED, CircuitSnapshot
from integrations.services.looking import reach
from integrations.spec import Capability

log = structlog.get_logger(__name__)

Outcome = HealthReport.Outcome
SKIPPED = "skipped"
GAP = timedelta(minutes=1)  # between two tests of one connection that its owner asks for
MOST_KEPT = 100  # per provider


@dataclass(frozen=True, slots=True)
class Found:
    """What a step found."""

    outcome: str
    detail: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """`key` stays the same for machines and pages, `name` is what a person reads."""

    key: str
    name: str
    look: Callable[[HealthReport], Found]


def begin(provider: Provider, *, connection: Connection | None = None) -> HealthReport:
    """Write the report that a worker fills and a page shows; the bell rings after the commit."""
    trace_id = tracing.current_trace_id()
    report = HealthReport.objects.create(
        provider=provider,
        connection=connection,
        kind=HealthReport.Kind.SELF_TEST,
        outcome=Outcome.RUNNING,
        trace_id=trace_id,
    )
    bell.ring(bell.SELF_TEST, report.pk)
    return report


@transaction.atomic
def begin_for_owner(connection: Connection) -> HealthReport | None:
    """At most one a minute, however often a person presses; None when the last one is younger."""
    Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    recent = connection.health_reports.self_tests().filter(created_at__gt=timezone.now() - GAP)
    return None if recent.exists() else begin(connection.provider, connection=connection)


def run(report_id: int) -> None:
    """Take the steps one after the other; each is on the page as soon as it is done. Safe to run twice."""
    waiting = HealthReport.objects.filter(pk=report_id, outcome=Outcome.RUNNING, steps=[])
    report = waiting.select_related("provider", "connection__provider", "connection__user").first()
    if report is None:
        return
    steps: list[dict[str, Any]] = []
    started = time.monotonic()
    for step in _steps(report):
        steps.append(_take(step, report))
        if not report.keep(steps=steps, seconds=time.monotonic() - started):
            return
    worst, code = _sum_up(steps)
    report.keep(outcome=worst, error_code=code[:40], seconds=time.monotonic() - started)
    log.info("self_test_done", provider=report.provider.slug, outcome=worst, error_code=code)
    _forget_old(report.provider)


def as_text(report: HealthReport) -> str:
    """To copy into a message: ids, times, outcomes and codes."""
    about = f"{report.get_kind_display()} of {report.provider.slug}"
    lines = [
        about if report.connection is None else f"{about}, connection {report.connection.public_id}",
        f"Begun {report.created_at:%Y-%m-%d %H:%M:%S} UTC, took {report.seconds:.2f} s, trace id {report.trace_id}",
        f"Outcome: {report.outcome}{f' ({report.error_code})' if report.error_code else ''}",
    ]
    for step in report.steps:
        code = f" [{step['code']}]" if step.get("code") else ""
        lines.append(f"- {step['name']}: {step['outcome']}{code}, {step['seconds']:.2f} s. {step['detail']}")
    return "\n".join(lines) + "\n"


def _take(step: Step, report: HealthReport) -> dict[str, Any]:
    started = time.monotonic()
    try:
        found = step.look(report)
    except errors.IntegrationError as exc:
        found = Found(Outcome.DEGRADED if exc.halted else Outcome.FAILED, exc.message, exc.code)
    took_s = round(time.monotonic() - started, 3)
    words = {"outcome": str(found.outcome), "detail": found.detail, "code": found.code}
    return {"key": step.key, "name": step.name, **words, "seconds": took_s}


def _steps(report: HealthReport) -> Iterator[Step]:
    yield Step("address", "Its addresses", _address)
    yield Step("circuit", "Whether we may call it", _circuit)
    yield Step("buckets", "The pace", _buckets)
    yield Step("reach", "Reaching it", _reach)
    if report.connection is not None:
        yield Step("vault", "Opening the login we keep", _vault)
        yield Step("login", "The login", _login)
        yield Step("read", "Reading the account", _read)
    yield Step("webhooks", "What it sends us", _webhooks)


def _sum_up(steps: list[dict[str, Any]]) -> tuple[str, str]:
    """The worst outcome and the code of the first step that had it."""
    for outcome in (Outcome.FAILED, Outcome.DEGRADED):
        for step in steps:
            if step["outcome"] == outcome:
                return outcome, step["code"]
    return Outcome.OK, ""


def _address(report: HealthReport) -> Found:
    """Each is allowed, and its name leads somewhere that may be called."""
    allowed = registry.spec_for(report.provider.slug).allowed_hosts
    urls = gateways.settings_for(report.provider).base_urls.values()
    hosts = [outbound.check(url, allowed_hosts=allowed, loopback=settings.SANDBOX_ENABLED).host for url in urls]
    return Found(Outcome.OK, f"{', '.join(dict.fromkeys(hosts))}: allowed and known.")


def _circuit(report: HealthReport) -> Found:
    standing = gateways.standing(report.provider)
    api, login = _circuit_words("Calls", standing.circuit), _circuit_words("Logins", standing.login)
    closed = standing.circuit.state == standing.login.state == CLOSED
    own = "" if standing.shared else " Redis is away, so this is one worker's view."
    fine = closed and standing.shared
    return Found(Outcome.OK if fine else Outcome.DEGRADED, f"{api} {login}{own}", "" if closed else "circuit_open")


def _circuit_words(what: str, circuit: CircuitSnapshot) -> str:
    if circuit.forced:
        return f"{what} are stopped by operations."
    if circuit.state == CLOSED:
        return f"{what} go through."
    if until := health.retry_at(circuit):
        return f"{what} wait after failures until {until:%H:%M:%S} UTC."
    return f"{what} are being tried again after failures."


def _buckets(report: HealthReport) -> Found:
    paused = [
        f"{bucket.key} until {until:%H:%M:%S} UTC"
        for bucket in gateways.standing(report.provider).buckets
        if (until := health.moment(bucket.paused_until))
    ]
    if paused:
        return Found(Outcome.DEGRADED, f"It asked us to slow down: {', '.join(paused)}.", "rate_limit")
    return Found(Outcome.OK, "It has not asked us to slow down.")


def _reach(report: HealthReport) -> Found:
    return Found(Outcome.OK, reach(report.provider))


def _vault(report: HealthReport) -> Found:
    credentials.present(_connection(report))
    return Found(Outcome.OK, "It can be opened.")


def _login(report: HealthReport) -> Found:
    credential = Credential.objects.filter(connection=_connection(report)).first()
    if credential is None:
        return Found(Outcome.FAILED, "There is none.", "no_credential")
    if credential.refresh_failures:
        words = (
            f"Renewing it failed {credential.refresh_failures} times, last at {credential.refresh_failed_at:%H:%M} UTC."
        )
        return Found(Outcome.DEGRADED, words, "renewal_failing")
    if credential.needs_renewal(timedelta(0)):
        return Found(Outcome.OK, "It has ended and is renewed when it is used next.")
    until = f"until {credential.expires_at:%Y-%m-%d %H:%M} UTC" if credential.expires_at else "with no known end"
    return Found(Outcome.OK, f"Good {until}; it is renewed by itself.")


def _read(report: HealthReport) -> Found:
    """As operations' look, which no switch stops: they test before they switch on."""
    connection = _connection(report)
    if connection.status != Connection.Status.ACTIVE:
        return Found(SKIPPED, f'Not asked: the connection is "{connection.get_status_display().lower()}".')
    account = client_for(connection).account()
    if account.external_id != connection.external_account_id:
        return Found(Outcome.FAILED, "The login leads to another account than before.", "other_account")
    return Found(Outcome.OK, "The account could be read.")


def _webhooks(report: HealthReport) -> Found:
    if not registry.spec_for(report.provider.slug).can(Capability.WEBHOOKS):
        return Found(SKIPPED, "This provider sends no webhooks; we ask it instead.")
    last = health.last_webhook_at(report.provider)
    return Found(
        Outcome.OK if last else SKIPPED,
        f"The last webhook came {last:%Y-%m-%d %H:%M} UTC." if last else "None came yet.",
    )


def _connection(report: HealthReport) -> Connection:
    assert report.connection is not None, "the steps of a connection are only taken for one"
    return report.connection


def _forget_old(provider: Provider) -> None:
    tests = provider.health_reports.self_tests()
    kept = list(tests.order_by("-created_at").values_list("pk", flat=True)[:MOST_KEPT])
    tests.over().exclude(pk__in=kept).delete()
