"""What granian loads in each of its worker processes: Django first, then what needs it set up."""

from memory_layer.wsgi import application

# isort: split
from django.conf import settings

from memory_layer.web.gateway import Gateway


def gateway(listener: int) -> Gateway:
    """For one process; `listener` is the number of the socket that all of them accept from."""
    env = settings.ENV
    return Gateway(application, processes=env.web_workers, threads=env.web_threads, listener=listener)
