from importlib import import_module

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"

    def ready(self) -> None:
        for module in ("checks", "gauges", "receivers"):  # they need the models, which are there from now on
            import_module(f"{self.name}.{module}")
