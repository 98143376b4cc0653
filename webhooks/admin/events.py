"""The in-box: what came, what became of it, and what to do about it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import User
from accounts.operations import Operation, OperationsAdmin, WordsFilter
from accounts.permissions import signed_in
from webhooks import masking
from webhooks.forms import ReplayForm
from webhooks.models import WebhookEvent
from webhooks.services import operating

MAY_READ = "webhooks.read_webhook_body"
MOST_ATTEMPTS = 50
AGES = {
    "5m": ("older than 5 minutes", timedelta(minutes=5)),
    "1h": ("older than an hour", timedelta(hours=1)),
    "1d": ("older than a day", timedelta(days=1)),
    "3d": ("older than 3 days", timedelta(days=3)),
    "30d": ("older than 30 days", timedelta(days=30)),
}


class AgeFilter(admin.SimpleListFilter):
    title, parameter_name = "age", "age"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        return [(key, words) for key, (words, _) in AGES.items()]

    def queryset(self, _: HttpRequest, rows: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:
        chosen = AGES.get(self.value() or "")
        return rows.filter(received_at__lt=Now() - chosen[1]) if chosen else rows


def _replay(event: WebhookEvent, _: User, __: str) -> bool:
    return operating.replay(event)


def _ignore(event: WebhookEvent, _: User, __: str) -> bool:
    return operating.ignore(event)


def _bury(event: WebhookEvent, _: User, __: str) -> bool:
    return operating.bury(event)


def _would_replay(rows: Sequence[WebhookEvent]) -> str:
    ready = sum(row.status in WebhookEvent.OVER and row.body is not None for row in rows)
    return f"Of the {len(rows)} chosen, {ready} would be processed anew; the others are not over or have no body left."


@admin.register(WebhookEvent)
class WebhookEventAdmin(OperationsAdmin):
    change_list_template = "admin/webhooks/events.html"
    list_display = ("event_type", "status", "reason", "endpoint", "received", "attempts", "redeliveries")
    list_select_related = ("endpoint__provider",)
    list_filter = (
        "status", "endpoint__provider", ("reason", WordsFilter), ("event_type", WordsFilter), AgeFilter
    )  # fmt: skip
    linkable = ("connection", "endpoint")
    search_fields = ("=public_id", "=trace_id", "=dedupe_key")
    search_help_text = "An event's id, a trace id, or the id that the provider gave it."
    ordering = ("-pk",)
    fields = (
        "public_id",
        ("status", "reason", "attempts", "crashes", "replays"),
        ("received_at", "occurred_at", "finished_at", "next_attempt_at"),
        ("error_code", "error_detail"),
        ("endpoint", "event_type", "connection"),
        ("dedupe_key", "redeliveries", "is_conflicting", "has_duplicate_keys"),
        ("secret", "remote_ip", "trace_id", "body_bytes"),
        "tries",
        "headers",
        "content",
    )
    readonly_fields = ("public_id", "tries", "content")
    operations = (
        Operation(
            "replay",
            "Replay",
            "They are processed anew as if just received. What they lead to happens once more, on the present state.",
            _replay,
            comes_to=_would_replay,
        ),
        Operation("ignore", "Ignore", "Set aside for good; nothing follows from them.", _ignore),
        Operation("bury", "Mark as dead", "No further attempt is made until somebody replays them.", _bury),
    )

    @admin.display(description="received at", ordering="received_at")
    def received(self, event: WebhookEvent) -> str:
        """To the second: what came within a minute is told apart."""
        return date_format(timezone.localtime(event.received_at), "j M Y, H:i:s")

    @admin.display(description="attempts made")
    def tries(self, event: WebhookEvent) -> str:
        made = event.attempts_made.all()[:MOST_ATTEMPTS]
        return render_to_string("admin/webhooks/_attempts.html", {"attempts": made})

    @admin.display(description="body, masked")
    def content(self, event: WebhookEvent) -> SafeString:
        if event.body is None:
            return format_html("{}", "Blanked after its time.")
        return format_html('<pre class="body">{}</pre>', masking.pretty(bytes(event.body)))

    def get_fields(self, request: HttpRequest, *_: Any) -> Any:
        """What is in a body is for those alone who may read it."""
        if signed_in(request).has_perm(MAY_READ):
            return self.fields
        return tuple(name for name in self.fields if name not in ("headers", "content"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEvent]:
        """A list needs no bodies, and one may have megabytes."""
        rows: QuerySet[WebhookEvent] = super().get_queryset(request)
        is_list = request.method == "GET" and not (request.resolver_match and request.resolver_match.kwargs)
        return rows.defer("body", "headers") if is_list else rows

    def get_urls(self) -> list[URLPattern]:
        replay = self.admin_site.admin_view(self.replay)
        return [path("replay/", replay, name="webhooks_webhookevent_replay"), *super().get_urls()]

    def replay(self, request: HttpRequest) -> HttpResponse:
        """By provider, state, type and time: first what it would come to, then the deed."""
        if not self.may_operate(request):
            raise PermissionDenied
        form = ReplayForm(request.POST or None)
        found = form.selection() if form.is_valid() else None
        if found is not None and "confirmed" in request.POST:
            queued = operating.replay_all(found, by=signed_in(request), reason=form.cleaned_data["reason"])
            self.message_user(request, f"{queued:,} events are processed anew.", messages.SUCCESS)
            return HttpResponseRedirect(reverse("admin:webhooks_webhookevent_changelist"))
        groups = found.dry_run() if found is not None else []
        context = {
            **self.admin_site.each_context(request), "title": "Replay by filter and time", "opts": self.opts,
            "form": form, "has_looked": found is not None, "groups": groups, "total": sum(row["n"] for row in groups),
        }  # fmt: skip
        return TemplateResponse(request, "admin/webhooks/replay.html", context)
