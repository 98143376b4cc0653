from importlib import import_module

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"

    def ready(self) -> None:
        for module in ("gauges", "personal", "sealing"):  # they need the models, which are there from now on
            import_module(f"{self.name}.{module}")
