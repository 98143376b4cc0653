from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Installed in demo mode only: its commands, pages and addresses do not exist elsewhere."""

    name = "config.demo"
