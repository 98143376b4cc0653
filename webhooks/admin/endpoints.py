"""Addresses that providers send to, and the secrets that prove that it was them."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from accounts import audit
from accounts.models import AuditEntry, User
from accounts.operations import Operation, OperationsAdmin
from accounts.permissions import signed_in
from integrations.spec import Subscription
from webhooks.forms import EndpointForm, RotateForm, SubscriptionForm
from webhooks.models import WebhookEndpoint, WebhookSecret
from webhooks.services import securing, subscribing

MAY_SET_SECRETS = "webhooks.set_webhook_secrets"


def _switch(*, on: bool) -> Any:
    def work(endpoint: WebhookEndpoint, _: User, __: str) -> bool:
        return bool(WebhookEndpoint.objects.filter(pk=endpoint.pk, is_active=not on).update(is_active=on))

    return work


def _end(secret: WebhookSecret, _: User, __: str) -> bool:
    return securing.end(secret)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(OperationsAdmin):
    form = EndpointForm
    is_editable = True
    list_display = ("__str__", "is_active", "strict_order", "secrets_are", "created_at")
    list_select_related = ("provider",)
    list_filter = ("is_active", "provider")
    operations = (
        Operation("enable", "Enable", "It takes webhooks again.", _switch(on=True)),
        Operation(
            "disable",
            "Disable",
            "It answers 404 as if it were not there. Some providers give up an address that does so for long.",
            _switch(on=False),
            is_dangerous=True,
        ),
    )

    def may_operate(self, request: HttpRequest) -> bool:
        return signed_in(request).has_perm(MAY_SET_SECRETS)

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return self.may_operate(request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        settable = ("strict_order", "must_be_signed", "max_body_bytes", "tolerance_s", "registration")
        shown = ("provider", "name", *(("is_active", "address", "secrets_are") if obj else ()), *settable)
        return (*shown, "reason") if self.may_operate(request) else shown

    def get_readonly_fields(self, _: HttpRequest, obj: Any = None) -> Any:
        return ("provider", "is_active", "address", "secrets_are") if obj else ()

    @admin.display(description="address for the provider")
    def address(self, endpoint: WebhookEndpoint) -> str:
        return render_to_string("admin/webhooks/_address.html", {"url": subscribing.address_of(endpoint)})

    @admin.display(description="secrets")
    def secrets_are(self, endpoint: WebhookEndpoint) -> str:
        live = endpoint.secrets.live()
        told = [f"{secret.fingerprint}, {secret.get_state_display().lower()}" for secret in live]
        return "; ".join(told) or "none"

    def get_urls(self) -> list[URLPattern]:
        rotate, subscription = (self.admin_site.admin_view(view) for view in (self.rotate, self.subscription))
        return [
            path("<int:pk>/rotate/", rotate, name="webhooks_webhookendpoint_rotate"),
            path("<int:pk>/subscription/", subscription, name="webhooks_webhookendpoint_subscription"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        links = [{"title": "Rotate the secret", "name": "admin:webhooks_webhookendpoint_rotate"}]
        found = self.get_object(request, unquote(object_id))
        if found and subscribing.is_offered(found):
            links.append({"title": "Subscription", "name": "admin:webhooks_webhookendpoint_subscription"})
        links = links if self.may_operate(request) else []
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "links": links})

    def _rotated(self, request: HttpRequest, endpoint: WebhookEndpoint, form: RotateForm) -> str:
        """The new secret, in the transaction of its audit entry."""
        with transaction.atomic():
            text = securing.rotate(endpoint, form.cleaned_data["given"])
            audit.record(
                "webhookendpoint.secret_rotated", endpoint, actor=signed_in(request), level=AuditEntry.Level.SECURITY,
                reason=form.cleaned_data["reason"], by="operations",
            )  # fmt: skip
        return text

    @method_decorator(sensitive_post_parameters("given"))
    def rotate(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Shown in the answer to the one request that made it, and never again."""
        if not self.may_operate(request):
            raise PermissionDenied
        endpoint = get_object_or_404(WebhookEndpoint.objects.select_related("provider"), pk=pk)
        form, shown = RotateForm(request.POST or None), ""
        if form.is_valid():
            try:
                made = self._rotated(request, endpoint, form)
                shown = made if not form.cleaned_data["given"] else "set"
            except securing.SecretRefused as refused:
                self.message_user(request, str(refused), messages.ERROR)
        context = {
            **self.admin_site.each_context(request), "title": "Rotate the secret", "opts": self.opts, "form": form,
            "endpoint": endpoint, "shown": shown, "was_given": shown == "set", "live": endpoint.secrets.live(),
        }  # fmt: skip
        return TemplateResponse(request, "admin/webhooks/rotate.html", context)

    def subscription(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What stands at the provider, asked now; to make one, or to end one."""
        if not self.may_operate(request):
            raise PermissionDenied
        endpoint = get_object_or_404(WebhookEndpoint.objects.select_related("provider"), pk=pk)
        if not subscribing.is_offered(endpoint):
            raise Http404
        form = SubscriptionForm(request.POST or None)
        if form.is_valid():
            self._change_subscription(request, endpoint, form.cleaned_data)
            form = SubscriptionForm()
        there, trouble = _at_the_provider(endpoint)
        context = {
            **self.admin_site.each_context(request), "title": "Subscription", "opts": self.opts, "form": form,
            "endpoint": endpoint, "there": there, "trouble": trouble, "address": subscribing.address_of(endpoint),
            "noted": endpoint.registration.get(subscribing.NUMBER),
        }  # fmt: skip
        return TemplateResponse(request, "admin/webhooks/subscription.html", context)

    def _change_subscription(self, request: HttpRequest, endpoint: WebhookEndpoint, said: dict[str, Any]) -> None:
        by, reason = signed_in(request), said["reason"]
        try:
            if said["what"] == "subscribe":
                number = subscribing.subscribe(endpoint, by=by, reason=reason)
                words = f"{endpoint.provider} sends here. The subscription has the number {number}."
            else:
                subscribing.unsubscribe(endpoint, said["number"] or 0, by=by, reason=reason)
                words = f"{endpoint.provider} sends no more: subscription {said['number']} has ended."
            self.message_user(request, words, messages.SUCCESS)
        except subscribing.NotSubscribed as exc:
            self.message_user(request, str(exc), messages.ERROR)


def _at_the_provider(endpoint: WebhookEndpoint) -> tuple[Sequence[Subscription], str]:
    """What it says, or why it says nothing."""
    try:
        return subscribing.look(endpoint), ""
    except subscribing.NotSubscribed as exc:
        return [], str(exc)


@admin.register(WebhookSecret)
class WebhookSecretAdmin(OperationsAdmin):
    """Which secrets there are; what they are is shown nowhere."""

    list_display = ("fingerprint", "endpoint", "state", "created_at", "not_after")
    list_select_related = ("endpoint__provider",)
    list_filter = ("state", "endpoint__provider")
    fields = ("fingerprint", "endpoint", "state", "key_id", "created_at", "not_after")
    readonly_fields = ("key_id", "created_at")
    operations = (
        Operation(
            "end", "End now", "What is signed with it is refused from now on. It cannot be brought back.", _end,
            is_dangerous=True,
        ),
    )  # fmt: skip

    def may_operate(self, request: HttpRequest) -> bool:
        return signed_in(request).has_perm(MAY_SET_SECRETS)
