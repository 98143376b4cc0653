"""The yardstick of the intake benchmark, for gunicorn: a bare view with one ORM insert, and no middleware at all."""

import os
from uuid import uuid4

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()
settings.MIDDLEWARE = []
settings.ROOT_URLCONF = __name__

from webhooks.models import WebhookEvent  # noqa: E402 - the apps come first

ENDPOINT = int(os.environ["BENCH_ENDPOINT"])


def view(request: HttpRequest, _: str) -> JsonResponse:
    row = WebhookEvent.objects.create(endpoint_id=ENDPOINT, dedupe_key=uuid4().hex, body=request.body)
    return JsonResponse({"status": "accepted", "id": str(row.public_id)})


urlpatterns = [path("<path:_>", view)]
application = WSGIHandler()
