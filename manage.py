#!/usr/bin/env python
import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["demo"]:  # needs no environment: it makes its own
        os.environ.setdefault("DEMO", "true")
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)  # the probes alone would leave a file of counts twice a minute
    execute_from_command_line(sys.argv)
