"""ASGI entry point, for hosts that speak nothing else; the views are synchronous."""

import os

from django.core.asgi import get_asgi_application
from django.db import connections

from tenants import isolation

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "memory_layer.settings")
isolation.serve()
application = get_asgi_application()
# Each request has a thread of its own there, and a connection that it kept would be lost.
connections.settings["default"]["CONN_MAX_AGE"] = 0
