"""The self-test of a provider or a connection: step by step, each told in words, nothing in them that is secret."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from integrations import bell, credentials, errors, gateways, health, registry, tracing, wording
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


class CircuitWords(NamedTuple):
    """What a circuit's state means for what goes through it."""

    forced: str
    closed: str
    waits: str
    tried: str


CALLS = CircuitWords(
    _("Calls are stopped by operations."),
    _("Calls go through."),
    wording.pattern(_("Calls wait after failures until {at} UTC.")),
    _("Calls are being tried again after failures."),
)
LOGINS = CircuitWords(
    _("Logins are stopped by operations."),
    _("Logins go through."),
    wording.pattern(_("Logins wait after failures until {at} UTC.")),
    _("Logins are being tried again after failures."),
)
ALONE = _("Redis is away, so this is one worker's view.")
RENEWING_FAILED = wording.pattern(_("Renewing it failed {n} times, last at {at} UTC."))
GOOD_UNTIL = wording.pattern(_("Good until {at} UTC; it is renewed by itself."))
NOT_ASKED: dict[str, str] = {
    Connection.Status.PENDING: _('Not asked: the connection is "being connected".'),
    Connection.Status.NEEDS_REAUTH: _('Not asked: the connection is "needs a new login".'),
    Connection.Status.PAUSED: _('Not asked: the connection is "paused".'),
    Connection.Status.DISCONNECTED: _('Not asked: the connection is "disconnected".'),
}


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
    yield Step("address", _("Its addresses"), _address)
    yield Step("circuit", _("Whether we may call it"), _circuit)
    yield Step("buckets", _("The pace"), _buckets)
    yield Step("reach", _("Reaching it"), _reach)
    if report.connection is not None:
        yield Step("vault", _("Opening the login we keep"), _vault)
        yield Step("login", _("The login"), _login)
        yield Step("read", _("Reading the account"), _read)
    yield Step("webhooks", _("What it sends us"), _webhooks)


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
    api, login = _circuit_words(CALLS, standing.circuit), _circuit_words(LOGINS, standing.login)
    closed = standing.circuit.state == standing.login.state == CLOSED
    own = "" if standing.shared else f" {ALONE}"
    fine = closed and standing.shared
    return Found(Outcome.OK if fine else Outcome.DEGRADED, f"{api} {login}{own}", "" if closed else "circuit_open")


def _circuit_words(words: CircuitWords, circuit: CircuitSnapshot) -> str:
    if circuit.forced:
        return words.forced
    if circuit.state == CLOSED:
        return words.closed
    if until := health.retry_at(circuit):
        return words.waits.format(at=f"{until:%H:%M:%S}")
    return words.tried


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
    return Found(Outcome.OK, _("It can be opened."))


def _login(report: HealthReport) -> Found:
    credential = Credential.objects.filter(connection=_connection(report)).first()
    if credential is None:
        return Found(Outcome.FAILED, _("There is none."), "no_credential")
    if credential.refresh_failures:
        words = RENEWING_FAILED.format(n=credential.refresh_failures, at=f"{credential.refresh_failed_at:%H:%M}")
        return Found(Outcome.DEGRADED, words, "renewal_failing")
    if credential.needs_renewal(timedelta(0)):
        return Found(Outcome.OK, _("It has ended and is renewed when it is used next."))
    if credential.expires_at is None:
        return Found(Outcome.OK, _("Good with no known end; it is renewed by itself."))
    return Found(Outcome.OK, GOOD_UNTIL.format(at=f"{credential.expires_at:%Y-%m-%d %H:%M}"))


def _read(report: HealthReport) -> Found:
    """As operations' look, which no switch stops: they test before they switch on."""
    connection = _connection(report)
    if connection.status != Connection.Status.ACTIVE:
        return Found(SKIPPED, NOT_ASKED[connection.status])
    account = client_for(connection).account()
    if account.external_id != connection.external_account_id:
        return Found(Outcome.FAILED, _("The login leads to another account than before."), "other_account")
    return Found(Outcome.OK, _("The account could be read."))


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
