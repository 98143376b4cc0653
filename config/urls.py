from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from config import api, api_docs, health, metrics
from integrations import views as integrations_views

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # allauth's limits and MFA
admin.site.site_header = admin.site.site_title = settings.SITE_NAME
admin.site.index_title = "Operations"

urlpatterns = [
    path(settings.ADMIN_PATH, admin.site.urls),
    path("account/", include("accounts.urls")),
    path("account/", include("allauth.urls")),
    path("connections/", include("integrations.urls")),
    path("webhooks/", include("webhooks.urls")),
    path("api/v1/", api_docs.readable, name="api_docs"),
    path("api/v1/openapi.json", api_docs.schema, name="api_schema"),
    path("api/v1/", api.routes()),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("health/providers", health.providers, name="health_providers"),
    path("status/", integrations_views.status, name="status"),
    path("metrics", metrics.metrics, name="metrics"),
    path("", include("coaching.urls")),
]
if settings.DEMO:
    urlpatterns.insert(0, path("demo/", include("config.demo.urls")))

handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.not_found"
handler429 = "config.errors.too_many_requests"
handler500 = "config.errors.server_error"
