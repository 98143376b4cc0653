from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        for module in ("personal", "receivers"):  # they need the models, which are there from now on
            import_module(f"{self.name}.{module}")
