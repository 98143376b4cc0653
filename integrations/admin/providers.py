from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from accounts.models import AuditEntry, User
from accounts.operations import Operation, OperationsAdmin
from accounts.permissions import signed_in
from integrations import events, vault
from integrations.admin.forms import ProviderForm
from integrations.admin.health import PROVIDER_OPERATIONS
from integrations.models import Provider, ProviderMode
from integrations.registry import spec_for

MAY_SET_SECRETS = "integrations.set_provider_secrets"
NEW_SECRETS = ("new_client_secret", "forget_client_secret")


def _to(mode: ProviderMode) -> Any:
    def switch(provider: Provider, _: User, __: str) -> bool:
        """Saved, not updated: the row's `updated_at` tells every process to build its gateway anew."""
        changed = provider.mode != mode
        provider.mode = mode
        provider.save(update_fields=["mode", "updated_at"])
        if changed:
            _announce(provider, ["mode"])
        return changed

    return switch


def _announce(provider: Provider, fields: list[str]) -> None:
    """The event names what changed, never the values: an address or a secret may be among them."""
    mode = str(provider.mode)
    events.publish("provider.changed", provider, provider=provider.slug, mode=mode, fields=sorted(fields))


@admin.register(Provider)
class ProviderAdmin(OperationsAdmin):
    """What operations set about a provider; what is left empty comes from its spec."""

    form = ProviderForm
    is_editable = True
    list_display = ("name", "slug", "mode", "connect_enabled", "sync_enabled", "deliver_enabled", "updated_at")
    list_filter = ("mode",)
    readonly_fields = ("slug", "defaults", "client_secret_is", "purged", "updated_at")
    fieldsets = (
        (None, {"fields": ("name", "slug", "mode", "notice", "updated_at")}),
        ("Directions", {"fields": ("connect_enabled", "sync_enabled", "deliver_enabled")}),
        ("Policy", {"fields": ("visible_to_coach", "cache_days", "may_merge", "purged")}),
        ("Addresses and limits", {"fields": ("defaults", "base_urls", "limits", "refresh_margin_s")}),
        (
            "Our application there",
            {"fields": ("client_id", "client_secret_is", "new_client_secret", "forget_client_secret", "scopes")},
        ),
        ("Why", {"fields": ("reason",)}),
    )
    operations = (
        Operation(
            "enable",
            "Enable",
            "People can connect, syncs and deliveries run, as far as the three directions allow.",
            _to(ProviderMode.ENABLED),
        ),
        Operation(
            "hold",
            "Put on hold",
            "No call goes out. What we have is shown, what is new waits and goes on by itself afterwards.",
            _to(ProviderMode.HOLD),
        ),
        Operation(
            "switch_off",
            "Switch off",
            "No call goes out and nobody can connect. Nothing is deleted.",
            _to(ProviderMode.OFF),
            is_dangerous=True,
        ),
        *PROVIDER_OPERATIONS,
    )

    @admin.display(description="Set by the provider's folder")
    def defaults(self, provider: Provider) -> str:
        spec = spec_for(provider.slug)
        addresses = [f"{role}: {url}" for role, url in spec.base_urls.items()]
        limits = [
            f"{key}: {limit.capacity:g} at once, {limit.per_s:.3g} a second" for key, limit in spec.limits.items()
        ]
        return "\n".join([*addresses, *limits])

    @admin.display(description="Deleted since its days were over")
    def purged(self, provider: Provider) -> str:
        """The nightly report, as the audit log has it."""
        subject = {"object_type": provider._meta.label_lower, "object_id": str(provider.public_id)}
        last = AuditEntry.objects.filter(action="activities.purged", **subject).order_by("-pk").first()
        if last is None:
            return "nothing yet" if provider.cache_days else "nothing: they are kept"
        return f"{last.data['removed']} of more than {last.data['days']} days, on {last.at:%d %B %Y at %H:%M} UTC"

    @admin.display(description="Client secret")
    def client_secret_is(self, provider: Provider) -> str:
        return f"set, fingerprint {vault.fingerprint(provider.client_secret)}" if provider.client_secret else "not set"

    def get_readonly_fields(self, request: HttpRequest, *_: Any) -> tuple[str, ...]:
        """What is read-only leaves the form, too: a field that is merely hidden would still be taken from a request."""
        if signed_in(request).has_perm(MAY_SET_SECRETS):
            return self.readonly_fields
        return (*self.readonly_fields, "base_urls", "client_id", *NEW_SECRETS)

    def get_fieldsets(self, request: HttpRequest, *_: Any) -> Any:
        """Without the permission the fields for secrets are not shown; without a form neither is the reason."""
        hidden = set() if signed_in(request).has_perm(MAY_SET_SECRETS) else set(NEW_SECRETS)
        if not self.has_change_permission(request):
            hidden |= {*NEW_SECRETS, "reason"}
        shown = [(title, [name for name in part["fields"] if name not in hidden]) for title, part in self.fieldsets]
        return [(title, {"fields": fields}) for title, fields in shown if fields]

    def save_model(self, request: HttpRequest, obj: Provider, form: Any, change: bool) -> None:
        """Another address is looked at twice before anybody's login goes there."""
        changed = set(form.changed_data) - {"reason"}
        if "base_urls" in changed and obj.mode == ProviderMode.ENABLED:
            obj.mode = ProviderMode.HOLD
            changed.add("mode")
            words = "The addresses changed, so the provider is on hold. Check them, then enable it."
            self.message_user(request, words, messages.WARNING)
        super().save_model(request, obj, form, change)
        if changed:
            _announce(obj, [*changed])
