"""What every admin page of operations shares: read-only rows, named operations with a reason, an audit entry for each.

An operation is safe to repeat and calls no provider: it moves rows, and workers do the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.paginator import Paginator
from django.db import connection, models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts import audit
from accounts.models import AuditEntry, User
from accounts.permissions import signed_in

if TYPE_CHECKING:  # generic for the type checker only
    AnyAdmin = admin.ModelAdmin[Any]
    AnyPaginator = Paginator[Any]
else:
    AnyAdmin, AnyPaginator = admin.ModelAdmin, Paginator

type Work = Callable[[Any, User, str], int]  # row, who, why → how many rows changed; True is one

MOST_ROWS = 500
FEWEST_TO_ESTIMATE = 10_000
HARMLESS_LOOKUPS = ("exact", "isnull", "isempty", "in", "gte", "gt", "lte", "lt", "id__exact", "pk__exact")


@dataclass(frozen=True, slots=True)
class Operation:
    """One button: `label` says what it does, `explanation` what follows from it."""

    name: str
    label: str
    explanation: str
    work: Work
    is_dangerous: bool = False
    comes_to: Callable[[Sequence[Any]], str] | None = None  # told before it is confirmed, where rows chosen say little


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the operations home, shown to those who may see `permission`; one for reference stands at the end."""

    title: str
    template: str
    permission: str
    collect: Callable[[], Mapping[str, Any]]
    is_reference: bool = False


class ReasonForm(forms.Form):
    reason = forms.CharField(
        min_length=5,
        max_length=200,
        help_text="One sentence for the audit log. No secrets.",
        widget=forms.TextInput(attrs={"autofocus": True, "size": 60}),
    )


class EstimatingPaginator(AnyPaginator):
    """Takes PostgreSQL's own estimate for a big table shown whole; counting it would read all of it."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if isinstance(rows, models.QuerySet) and not rows.query.where:
            estimate = _estimate(rows.model._meta.db_table)
            if estimate >= FEWEST_TO_ESTIMATE:
                return estimate
        return super().count


class WordsFilter(admin.AllValuesFieldListFilter):
    """All words that a column holds; a row without one is found, too."""

    def choices(self, changelist: Any) -> Any:
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "none"}


class OperationsAdmin(AnyAdmin):
    """Rows to look at and operations to run; nothing is edited by hand unless a subclass says so."""

    operations: ClassVar[Sequence[Operation]] = ()
    linkable: ClassVar[Sequence[str]] = ()  # fields by which other pages link to this list
    is_editable: ClassVar[bool] = False
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 50
    paginator = EstimatingPaginator

    def has_add_permission(self, *_: Any, **__: Any) -> bool:
        return False

    def has_delete_permission(self, *_: Any, **__: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, *_: Any, **__: Any) -> bool:
        return self.is_editable and self.may_operate(request)

    def may_operate(self, request: HttpRequest) -> bool:
        return signed_in(request).has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def lookup_allowed(self, lookup: str, *_: Any, **__: Any) -> bool:
        """Only what the list offers as a filter: Django would take any column, and so let a secret be guessed."""
        offered = [*self.linkable, *(_parameter(entry) for entry in self.list_filter)]
        names = [name for name in offered if isinstance(name, str)]
        return any(lookup == name or lookup in {f"{name}__{end}" for end in HARMLESS_LOOKUPS} for name in names)

    def get_actions(self, request: HttpRequest, *args: Any, **kwargs: Any) -> dict[str, Any]:
        actions: dict[str, Any] = dict(super().get_actions(request, *args, **kwargs))
        if self.may_operate(request):
            for operation in self.operations:
                actions[operation.name] = (_as_action(operation), operation.name, operation.label)
        return actions

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        offered = self.operations if self.may_operate(request) else ()
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "operations": offered})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The audit entry names the fields, never their values."""
        super().save_model(request, obj, form, change)
        audit.record(
            f"{self.opts.model_name}.{'edited' if change else 'added'}",
            obj,
            actor=signed_in(request),
            level=AuditEntry.Level.SECURITY,
            fields=sorted(set(form.changed_data) - {"reason"}),
            reason=form.cleaned_data.get("reason", ""),
        )

    def operate(self, operation: Operation, request: HttpRequest, rows: "models.QuerySet[Any]") -> HttpResponse | None:
        """Ask for a reason, then do it row by row; each row's change and its audit entry commit together."""
        chosen = list(rows[: MOST_ROWS + 1])
        if len(chosen) > MOST_ROWS:
            self.message_user(request, f"Choose at most {MOST_ROWS} rows at once.", messages.ERROR)
            return None
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            return self._confirm(operation, request, chosen, form)
        actor, reason = signed_in(request), form.cleaned_data["reason"]
        changed = [self._operate_on(operation, row, actor, reason) for row in chosen]
        self._report(operation, request, sum(changed), left=changed.count(0))
        return HttpResponseRedirect(self._next(request, chosen))

    @transaction.atomic
    def _operate_on(self, operation: Operation, row: Any, actor: User, reason: str) -> int:
        changed = int(operation.work(row, actor, reason))
        if not changed:
            return 0
        action = f"{self.opts.model_name}.{operation.name}"
        audit.record(action, row, actor=actor, level=AuditEntry.Level.SECURITY, reason=reason, by="operations")
        return changed

    def _confirm(self, operation: Operation, request: HttpRequest, rows: list[Any], form: ReasonForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": operation.label,
            "opts": self.opts,
            "operation": operation,
            "rows": rows,
            "comes_to": operation.comes_to(rows) if operation.comes_to else "",
            "form": form,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/operation.html", context)

    def _report(self, operation: Operation, request: HttpRequest, changed: int, *, left: int) -> None:
        if changed:
            self.message_user(request, f"{operation.label}: done for {changed:,}.", messages.SUCCESS)
        if left:
            self.message_user(request, f"{operation.label}: {left} did not need it or may not have it.", messages.INFO)

    def _next(self, request: HttpRequest, rows: list[Any]) -> str:
        if "from_page" in request.POST and len(rows) == 1:
            return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[rows[0].pk])
        return request.get_full_path()


_panels: list[Panel] = []


def add_panel(panel: Panel) -> None:
    """Called once from an app's admin module."""
    _panels.append(panel)


def panels(user: User) -> list[Panel]:
    ordered = sorted(_panels, key=attrgetter("is_reference"))
    return [panel for panel in ordered if user.has_perm(panel.permission)]


def _parameter(entry: Any) -> Any:
    """What a filter is called in the address: its field, or the name it gives itself."""
    return entry[0] if isinstance(entry, tuple) else getattr(entry, "parameter_name", entry)


def _as_action(operation: Operation) -> Callable[..., HttpResponse | None]:
    def action(admin_: OperationsAdmin, request: HttpRequest, rows: Any) -> HttpResponse | None:
        return admin_.operate(operation, request, rows)

    return partial(action)


def _estimate(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", [table])
        row = cursor.fetchone()
    return int(row[0]) if row else 0
