"""For celery: the product with the tests' own provider folders beside the real ones."""

from integrations import providers
from tests.webhooks.processes import DOUBLES

providers.__path__.append(DOUBLES)

from config.celery import app  # noqa: E402 - the folders count from the first look on

__all__ = ["app"]
