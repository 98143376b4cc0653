#!/usr/bin/env python
import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["demo"]:  # needs no environment: it makes its own
        os.environ.setdefault("DEMO", "true")
    execute_from_command_line(sys.argv)
