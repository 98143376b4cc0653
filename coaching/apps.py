from importlib import import_module

from django.apps import AppConfig


class CoachingConfig(AppConfig):
    name = "coaching"

    def ready(self) -> None:
        # they need the models, which are there from now on
        for module in ("event_types", "gauges", "keeping", "personal", "receivers"):
            import_module(f"{self.name}.{module}")
