"""What granian loads in each of its worker processes: Django first, then what needs it set up."""

from memory_layer.wsgi import application

# isort: split
from django.conf import settings

from memory_layer.web.gateway import Gateway

gateway = Gateway(application, threads=settings.ENV.web_threads)
