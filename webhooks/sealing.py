"""Tells the register of everything sealed about the signing secrets."""

from django.db.models import Q

from integrations import sealed
from webhooks.models import WebhookSecret

sealed.register(
    sealed.SealedColumn(
        WebhookSecret,
        "sealed",
        "webhook secrets",
        "provider:{}",
        "endpoint__provider__slug",
        key_id_field="key_id",
        needed=~Q(state=WebhookSecret.State.ENDED),
    )
)
