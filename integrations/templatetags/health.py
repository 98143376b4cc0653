"""How looks at providers are shown."""

from datetime import datetime

from django import template
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from integrations import health, wording
from integrations.models import Connection, HealthReport, Provider
from integrations.services import self_testing

register = template.Library()

Outcome = HealthReport.Outcome
WORDS: dict[str, str] = {
    Outcome.OK: _("OK"),
    Outcome.DEGRADED: _("In part"),
    Outcome.FAILED: _("Failed"),
    self_testing.SKIPPED: _("Left out"),
}
STATES: dict[str, str] = {
    Outcome.OK: "enabled",
    Outcome.DEGRADED: "hold",
    Outcome.FAILED: "off",
}  # classes of the admin's stylesheet
BADGES: dict[str, str] = {Outcome.OK: "good", Outcome.DEGRADED: "warn", Outcome.FAILED: "bad"}  # and of the site's
FOR_OPERATIONS = {"address", "buckets", "webhooks"}


@register.filter
def step_words(outcome: str) -> str:
    return gettext(WORDS[outcome]) if outcome in WORDS else outcome


@register.filter
def step_tone(outcome: str) -> str:
    return STATES.get(outcome, "")


@register.filter
def step_badge(outcome: str) -> str:
    return BADGES.get(outcome, "")


@register.filter
def tone(report: HealthReport) -> str:
    return step_tone(report.outcome)


@register.filter
def steps_for_people(report: HealthReport) -> list[dict[str, str]]:
    """Without those that only operations can do something about; in the reader's language."""
    return [
        step | {"name": wording.told(step["name"]), "detail": wording.told(step["detail"])}
        for step in report.steps
        if step["key"] not in FOR_OPERATIONS
    ]


@register.filter
def as_text(report: HealthReport) -> str:
    return self_testing.as_text(report)


@register.filter
def moment(epoch: float | None) -> datetime | None:
    return health.moment(epoch)


@register.simple_tag
def latest_test(row: Provider | Connection) -> HealthReport | None:
    """The newest self-test of a connection, or of a provider itself."""
    tests = row.health_reports.self_tests()
    return (tests.filter(connection=None) if isinstance(row, Provider) else tests).first()
