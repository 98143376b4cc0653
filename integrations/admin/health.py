"""How providers stand at this moment, and every look at them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.utils import timezone

from accounts.models import User
from accounts.operations import Operation, OperationsAdmin, WordsFilter
from accounts.permissions import signed_in
from integrations import gateways, health
from integrations.models import Connection, HealthReport, Provider
from integrations.resilience.admission import CLOSED, CircuitSnapshot
from integrations.services import self_testing

TONES = {health.OPERATIONAL: "enabled", health.DEGRADED: "hold", health.PAUSED: "off"}


@dataclass(frozen=True, slots=True)
class Circuit:
    """A circuit in words."""

    title: str
    snapshot: CircuitSnapshot

    @property
    def tone(self) -> str:
        return "enabled" if self.snapshot.state == CLOSED else "off" if self.snapshot.forced else "hold"

    @property
    def words(self) -> str:
        if self.snapshot.forced:
            return "Tripped by hand"
        return {"CLOSED": "Closed", "OPEN": "Open", "HALF_OPEN": "Being tried"}[self.snapshot.state]

    @property
    def meaning(self) -> str:
        if self.snapshot.forced:
            return f"Nothing goes out until you reset it, for a day at most. Why: {self.snapshot.forced}"
        if self.snapshot.state == CLOSED:
            return "Calls go out."
        code = self.snapshot.last_failure_code
        after = f" after failures ({code})" if code else " after failures"
        if until := health.retry_at(self.snapshot):
            return f"Nothing goes out{after} until {timezone.localtime(until):%H:%M:%S}; then a few calls try."
        return f"A few calls try whether it works again{after}."


def circuits_of(standing: gateways.Standing) -> list[Circuit]:
    return [Circuit("Calls", standing.circuit), Circuit("Logins", standing.login)]


def _trip(provider: Provider, _: User, reason: str) -> bool:
    return gateways.trip(provider, reason=reason)


def _reset(provider: Provider, _: User, __: str) -> bool:
    return gateways.reset(provider)


def _trip_logins(provider: Provider, _: User, reason: str) -> bool:
    return gateways.trip(provider, reason=reason, login=True)


def _reset_logins(provider: Provider, _: User, __: str) -> bool:
    return gateways.reset(provider, login=True)


def _test_provider(provider: Provider, _: User, __: str) -> bool:
    return bool(self_testing.begin(provider))


def _test_connection(connection: Connection, _: User, __: str) -> bool:
    return bool(self_testing.begin(connection.provider, connection=connection))


TEST = "A worker goes through it step by step, also while it is on hold or off; the steps appear on its page."
PROVIDER_OPERATIONS = (
    Operation("self_test", "Self-test", TEST, _test_provider),
    Operation(
        "trip",
        "Trip",
        "No call goes out of any worker within a second, logins aside, until you reset it or a day has passed. To stop "
        "a provider for longer, put it on hold.",
        _trip,
        is_dangerous=True,
    ),
    Operation("reset", "Reset", "Calls go out again at once, and the failures so far are forgotten.", _reset),
    Operation(
        "trip_logins",
        "Trip logins",
        "Nobody can log in or have a login renewed until you reset it or a day has passed. Calls go on.",
        _trip_logins,
        is_dangerous=True,
    ),
    Operation("reset_logins", "Reset logins", "Logins go out again at once.", _reset_logins),
)
CONNECTION_OPERATIONS = (Operation("self_test", "Self-test", TEST, _test_connection),)


@admin.register(HealthReport)
class HealthReportAdmin(OperationsAdmin):
    """Light checks and self-tests, newest first; nothing here is changed by hand."""

    list_display = ("created_at", "provider", "kind", "outcome", "error_code", "seconds", "connection")
    list_select_related = ("provider", "connection__user", "connection__provider")
    list_filter = (
        "kind",
        "outcome",
        "provider",
        ("error_code", WordsFilter),
        ("created_at", admin.DateFieldListFilter),
    )
    linkable = ("connection",)
    search_fields = ("=connection__public_id", "=trace_id")
    search_help_text = "The connection's id or a trace id."
    fields = ("provider", "connection", "kind", "outcome", "error_code", "seconds", "trace_id", "created_at")
    readonly_fields = fields

    def get_urls(self) -> list[Any]:
        """Parts of pages that read themselves again."""
        live = self.admin_site.admin_view
        return [
            path("<int:pk>/live/", live(self.live), name="integrations_healthreport_live"),
            path("provider/<int:pk>/live/", live(self.provider_live), name="integrations_provider_live"),
            *super().get_urls(),
        ]

    def live(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        report = get_object_or_404(HealthReport.objects.select_related("provider", "connection"), pk=pk)
        return render(request, "admin/_self_test.html", {"report": report})

    def provider_live(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not signed_in(request).has_perm("integrations.view_provider"):
            raise PermissionDenied
        found = health.of(get_object_or_404(Provider, pk=pk))
        context = {"health": found, "circuits": circuits_of(found.standing), "now": timezone.now()}
        return render(request, "admin/_provider_live.html", context)


def panel() -> Mapping[str, Any]:
    return {"health": [_in_words(found) for found in health.of_all()]}


def _in_words(found: health.Health) -> dict[str, Any]:
    status = health.summarise(found.provider, found.standing).status
    circuits = circuits_of(found.standing)
    return {"provider": found.provider, "health": found, "circuits": circuits, "tone": TONES[status], "words": status}
