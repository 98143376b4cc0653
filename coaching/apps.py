from importlib import import_module

from django.apps import AppConfig


class CoachingConfig(AppConfig):
    name = "coaching"

    def ready(self) -> None:
        for module in ("event_types", "gauges", "receivers"):  # they need the models, which are there from now on
            import_module(f"{self.name}.{module}")
