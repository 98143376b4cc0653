from importlib import import_module

from django.apps import AppConfig


class CoachingConfig(AppConfig):
    name = "coaching"

    def ready(self) -> None:
        import_module(f"{self.name}.receivers")  # it needs the models, which are there from now on
