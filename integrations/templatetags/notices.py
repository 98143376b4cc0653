"""What the head of every page says about the providers that its reader is connected with."""

from typing import Any

from django import template
from django.utils.translation import get_language

from accounts.models import User
from integrations import overview, waiting, wording
from integrations.models import Provider, SyncJob
from integrations.waiting import Place

register = template.Library()


@register.inclusion_tag("integrations/_notices.html", takes_context=True)
def provider_notices(context: template.Context) -> dict[str, Any]:
    user = context.get("user")
    return {"notices": overview.notices_for(user) if isinstance(user, User) else []}


@register.simple_tag
def place_in_queue(job: SyncJob, provider: Provider) -> Place | None:
    """Counts only while the provider may not be read from."""
    return waiting.place_of_sync(job, provider)


@register.filter
def inside(text: str) -> str:
    """As it stands within a sentence; German nouns keep their capitals."""
    return text if (get_language() or "").startswith("de") else text.lower()


@register.filter
def told(words: str) -> str:
    """What a row keeps in English, in the reader's language."""
    return wording.told(words)
