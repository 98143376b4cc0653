from importlib import import_module

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"

    def ready(self) -> None:
        # they need the models, which are there from now on
        for module in ("checks", "gauges", "keeping", "personal", "receivers", "second_factors"):
            import_module(f"{self.name}.{module}")
