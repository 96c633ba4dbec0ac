"""WSGI entry point: what memory_layer.web serves, or any other WSGI server."""

import os

from django.core.wsgi import get_wsgi_application

from memories.embeddings import warm_up
from tenants import isolation

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "memory_layer.settings")
isolation.serve()
application = get_wsgi_application()
warm_up()  # so that the first request does not wait for the model
