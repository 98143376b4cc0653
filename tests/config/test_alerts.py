"""The alarms watch what there is: every metric and label they name is one that the product tells."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from integrations.gauges import STATE, STATES
from integrations.models import Provider, Tick
from integrations.resilience.admission import OPEN

WORDS_OF_PROMQL = {"sum", "min", "max", "absent", "increase", "rate", "delta", "by"}
RULES = yaml.safe_load((Path(settings.BASE_DIR) / "docs" / "alerts.yml").read_text())["groups"][0]["rules"]
ASKED_FOR = {  # what must have an alarm to begin with
    *("sync_jobs_reaped_total", "integration_token_refresh_total", "beat_last_tick_seconds", "delivery_uncertain"),
    *(
        "sync_oldest_due_seconds",
        "outbox_oldest_seconds",
        "outbox_dead",
        "connections",
        "metrics_collector_errors_total",
    ),
}


def selected(expression: str) -> list[tuple[str, set[str]]]:
    """The metrics an expression names, each with the labels it selects by."""
    bare = re.sub(r"\[\w+\]|\bby \([^)]*\)", "", expression)
    found = re.findall(r"\b([a-z_]+)\b(?:\{([^}]*)\})?", re.sub(r'"[^"]*"', '""', bare))
    named = [(name, set(re.findall(r"(\w+)=~?", labels))) for name, labels in found]
    return [(name, labels) for name, labels in named if name not in WORDS_OF_PROMQL]


def grouped_by(rule: dict[str, Any]) -> set[str]:
    """The labels that its expression groups by and its words quote."""
    groups = re.findall(r"\bby \(([^)]*)\)", rule["expr"])
    quoted = re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])
    return {label.strip() for group in groups for label in group.split(",")} | set(quoted)


@pytest.fixture
def told(garmin_provider: Provider) -> dict[str, set[str]]:
    """Every sample name the product can tell, with its labels."""
    Tick.objects.create(name="tick_events", last_at="2026-01-01T00:00Z")
    STATE.forget()
    names = {sample.name: set(sample.labels) for family in STATE.collect() for sample in family.samples}
    for name, collector in REGISTRY._names_to_collectors.items():
        if isinstance(collector, MetricWrapperBase):
            names[name] = set(collector._labelnames)
    STATE.forget()
    return names


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alarm_names_only_what_there_is(rule: dict[str, Any], told: dict[str, set[str]]) -> None:
    watched = selected(rule["expr"])
    assert watched
    for name, labels in watched:
        assert name in told, f"nothing is called {name}"
        assert labels | grouped_by(rule) <= told[name], f"{name} has {sorted(told[name])}"
    assert rule["labels"]["severity"] in {"page", "ticket"}


def test_what_was_asked_for_has_an_alarm() -> None:
    watched = {name for rule in RULES for name, _ in selected(rule["expr"])}
    assert watched >= ASKED_FOR
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_the_numbers_of_a_circuit_are_those_the_alarm_waits_for() -> None:
    (rule,) = [rule for rule in RULES if rule["alert"] == "CircuitOpen"]
    assert rule["expr"].endswith(f"== {STATES[OPEN]}")
