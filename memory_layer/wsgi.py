"""WSGI entry point: what memory_layer.web serves, or any other WSGI server."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from memories.embeddings import warm_up
from tenants import isolation

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "memory_layer.settings")
isolation.serve()
application = get_wsgi_application()
# So that the first request waits neither for the pages nor for the model.
get_resolver().url_patterns  # noqa: B018 - it imports them
warm_up()
