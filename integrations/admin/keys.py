"""The Keys page: which key seals what, how far a rotation is, and what comes next, in that order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.models import User
from accounts.operations import Operation, OperationsAdmin
from accounts.permissions import signed_in
from integrations import sealed, vault
from integrations.models import VaultKey, VaultRotation
from integrations.services import rotating

MAY_ROTATE = "integrations.rotate_keys"


@dataclass(frozen=True, slots=True)
class Standing:
    """One key id, as this process's ring and the database know it."""

    kid: str
    row: VaultKey | None
    is_first: bool
    is_in_ring: bool
    numbers: list[int]  # rows by sealed column

    @property
    def total(self) -> int:
        return sum(self.numbers)

    @property
    def is_missing(self) -> bool:
        return bool(self.total) and not self.is_in_ring

    @property
    def place(self) -> str:
        if self.is_first:
            return "first: seals what is new"
        if self.is_in_ring:
            return "in the ring: opens what it sealed"
        return "missing in the ring" if self.total else "not in the ring"

    @property
    def is_unused(self) -> bool:
        """Added, and never yet the first one."""
        return self.is_in_ring and not self.is_first and self.row is None

    @property
    def may_retire(self) -> bool:
        return self.row is not None and self.row.retired_at is None and not self.total and not self.is_first


def standings() -> list[Standing]:
    """The ring's keys in its order, then what else has ever sealed something."""
    ring, rows = list(vault.keyring().keys), {row.kid: row for row in VaultKey.objects.order_by("-pk")}
    counts = [column.count_by_key() for column in sealed.columns()]
    known = dict.fromkeys([*ring, *rows, *(kid for count in counts for kid in count)])
    return [
        Standing(kid, rows.get(kid), kid == ring[0], kid in ring, [count.get(kid, 0) for count in counts])
        for kid in known
    ]


MISSING = (
    "{n:,} rows need the key {kid}, which is not in the ring. Put it back after the first one and restart all parts. "
    "Until then what needs those rows waits; nothing is lost."
)
OLDER = "{n:,} rows still need an older key. Seal everything with {kid}, then only {kid} is needed."
ROTATES = "A rotation is under way. {n:,} rows still need an older key; both have to stay in the ring."
DONE_WITH = (
    "Nothing needs {kid} any more. Keep it in the ring for as long as you keep backups from its time, then retire it "
    "and take it out."
)
NEW = "{kid} can be read by this process. Once all parts have it, put it first."
ALL_GOOD = "Everything is sealed with {kid}. There is nothing to do."


def advice(keys: Sequence[Standing], *, rotates: bool) -> list[tuple[str, str]]:
    """(tone, words): what is wrong, and what comes next."""
    first = keys[0].kid
    older = sum(key.total for key in keys if key.is_in_ring and not key.is_first)
    found = [("bad", MISSING.format(n=key.total, kid=key.kid)) for key in keys if key.is_missing]
    if older:
        found.append(("info", ROTATES.format(n=older)) if rotates else ("warn", OLDER.format(n=older, kid=first)))
    found += [("info", DONE_WITH.format(kid=key.kid)) for key in keys if key.may_retire and key.is_in_ring]
    found += [("info", NEW.format(kid=key.kid)) for key in keys if key.is_unused]
    return found or [("good", ALL_GOOD.format(kid=first))]


def _rotate(key: VaultKey, actor: User, _: str) -> bool:
    rotating.start(key.kid, by=actor)
    return True


def _verify(_: VaultKey, actor: User, __: str) -> bool:
    rotating.verify(by=actor)
    return True


def _retire(key: VaultKey, _: User, __: str) -> bool:
    return rotating.retire(key)


class _KeysAdmin(OperationsAdmin):
    """What needs the permission for keys, and comes back to the Keys page."""

    def may_operate(self, request: HttpRequest) -> bool:
        return signed_in(request).has_perm(MAY_ROTATE)

    def operate(self, operation: Operation, request: HttpRequest, rows: Any) -> HttpResponse | None:
        try:
            return super().operate(operation, request, rows)
        except rotating.RotationRefused as refused:
            self.message_user(request, str(refused), messages.ERROR)
            return HttpResponseRedirect(_keys_page())

    def _next(self, *_: Any) -> str:
        return _keys_page()


@admin.register(VaultKey)
class VaultKeyAdmin(_KeysAdmin):
    """Key ids that have sealed something; the keys themselves are in the environment only."""

    list_display = ("kid", "first_seen", "retired_at")
    ordering = ("-pk",)
    fields = ("kid", "first_seen", "retired_at")
    readonly_fields = ("first_seen",)
    operations = (
        Operation(
            "rotate",
            "Seal everything with it",
            "A worker opens every row that an older key has sealed and seals it with this one, a thousand at a time. "
            "People notice nothing. It can be stopped and continued.",
            _rotate,
        ),
        Operation(
            "verify",
            "Open everything once",
            "A worker opens every sealed row and counts those that do not open. It changes nothing.",
            _verify,
        ),
        Operation(
            "retire",
            "Retire the key",
            "It is marked as done with, so that it may leave the ring. Refused while one row needs it. Backups from "
            "its time can only be read with it, so keep it for as long as you keep those.",
            _retire,
            is_dangerous=True,
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        progress = self.admin_site.admin_view(self.progress)
        return [path("progress/", progress, name="integrations_vaultkey_progress"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST":
            return super().changelist_view(request, extra_context)
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), **self._page(request), **(extra_context or {})}
        return TemplateResponse(request, "admin/keys.html", context)

    def progress(self, request: HttpRequest) -> HttpResponse:
        """The part of the page that moves; when nothing is under way any more the page is read anew."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        jobs = _latest()
        response = TemplateResponse(request, "admin/_keys_progress.html", self._progress(request, jobs))
        if not any(job.is_active for job in jobs):
            response["HX-Refresh"] = "true"
        return response

    def _page(self, request: HttpRequest) -> Mapping[str, Any]:
        jobs = _latest()
        page = {"title": "Keys", "opts": self.opts, "columns": sealed.columns(), "now": timezone.now()}
        try:
            keys = standings()
        except vault.VaultUnavailable as exc:
            return page | self._progress(request, jobs) | {"keys": [], "advice": [("bad", f"{exc}.")]}
        rotates = any(job.is_active and job.kind == VaultRotation.Kind.ROTATE for job in jobs)
        older = any(key.total and not key.is_first for key in keys)
        return page | self._progress(request, jobs) | {
            "keys": keys, "advice": advice(keys, rotates=rotates), "may_rotate": older and not rotates
        }  # fmt: skip

    def _progress(self, request: HttpRequest, jobs: list[VaultRotation]) -> dict[str, Any]:
        return {
            "jobs": jobs,
            "is_moving": any(job.is_active for job in jobs),
            "may_operate": self.may_operate(request),
        }


def _stop(rotation: VaultRotation, _: User, __: str) -> bool:
    return rotating.stop(rotation)


def _go_on(rotation: VaultRotation, _: User, __: str) -> bool:
    return rotating.go_on(rotation)


@admin.register(VaultRotation)
class VaultRotationAdmin(_KeysAdmin):
    list_display = ("__str__", "status", "total_n", "done_n", "failed_n", "started_by", "created_at", "ended_at")
    list_select_related = ("started_by",)
    list_filter = ("kind", "status")
    fields = (
        ("kind", "target", "status"),
        ("total_n", "done_n", "failed_n"),
        ("started_by", "created_at", "ended_at"),
        ("attempts", "next_attempt_at", "lease_until"),
        ("error_code", "error_detail"),
    )
    readonly_fields = ("created_at", "lease_until")
    operations = (
        Operation("stop", "Stop", "It ends after the batch it is at. Both keys stay in use.", _stop),
        Operation("go_on", "Continue", "A worker goes on with what is left.", _go_on),
    )


def _latest() -> list[VaultRotation]:
    """The last of each kind, newest first."""
    last = VaultRotation.objects.order_by("kind", "-pk").distinct("kind").select_related("started_by")
    return sorted(last, key=lambda job: job.created_at, reverse=True)


def _keys_page() -> str:
    return reverse("admin:integrations_vaultkey_changelist")
