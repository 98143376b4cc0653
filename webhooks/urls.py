from django.urls import path, register_converter

from webhooks import views


class TokenConverter:
    """43 letters of base64url; anything else is not there."""

    regex = "[A-Za-z0-9_-]{43}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(TokenConverter, "endpoint_token")

app_name = "webhooks"
urlpatterns = [path("<slug:slug>/<endpoint_token:token>/", views.receive, name="receive")]
