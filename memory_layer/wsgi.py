"""WSGI entry point: what gunicorn serves. Each worker loads it after its fork."""

import os

from django.core.wsgi import get_wsgi_application

from memories.embeddings import warm_up

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "memory_layer.settings")
application = get_wsgi_application()
warm_up()  # so that the first request does not wait for the model
