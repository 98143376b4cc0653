from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    """What every template may use."""
    context = {"site_name": settings.SITE_NAME, "demo": settings.DEMO, "trace_id": getattr(request, "trace_id", "")}
    if settings.DEMO:
        context["sandbox_url"] = f"http://127.0.0.1:{settings.SANDBOX_PORT}/"
    return context
