"""A worker that does nothing but webhooks, over and over, until it is killed: `python -m tests.webhooks.worker`."""

import os
import time

import django

from integrations import providers
from tests.webhooks.processes import DOUBLES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
providers.__path__.append(DOUBLES)
django.setup()

from webhooks.services import processing  # noqa: E402 - the apps come first

while True:
    processing.reap()
    if not processing.process_due():
        time.sleep(0.02)
