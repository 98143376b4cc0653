from importlib import import_module

from django.apps import AppConfig


class CompositionConfig(AppConfig):
    """Commands and checks of the whole; it has no models."""

    name = "config"

    def ready(self) -> None:
        for module in ("checks", "celery", "receivers"):  # celery in web processes, too: they enqueue
            import_module(f"{self.name}.{module}")
