#!/usr/bin/env python
"""Django's command-line entry point. Beside a running `make run` it uses that one's servers."""

import os
import sys

from django.core.management import execute_from_command_line

from memory_layer.embedded.joining import join, read_dotenv

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "memory_layer.settings")
    read_dotenv()
    join(os.environ)
    execute_from_command_line(sys.argv)
