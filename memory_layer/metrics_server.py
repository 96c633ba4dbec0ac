"""Metrics of a worker or of beat on a port of its own: where processes share no PROMETHEUS_MULTIPROC_DIR with the web.

Asked like the web's `/metrics`, with one of MEMORY_API_KEYS; without any (development only) anybody may ask.
"""

import threading
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from memory_layer.counted import counted
from tenants import keys

log = structlog.get_logger(__name__)

_TEXT = "text/plain; charset=utf-8"


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    """No line for each scrape."""

    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def start(host: str = "0.0.0.0") -> WSGIServer | None:  # noqa: S104 - a scraper is another machine
    """Serve in a thread, if MEMORY_METRICS_PORT is set. A port that is taken is said, and stops nothing."""
    port = settings.ENV.metrics_port
    if not port:
        return None
    try:
        server = make_server(host, port, answer, server_class=_Server, handler_class=_Silent)
    except OSError as error:
        log.error("metrics_port_unusable", port=port, error=error.strerror)
        return None
    threading.Thread(target=server.serve_forever, daemon=True, name="metrics").start()
    return server


def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """GET /metrics; 401 without an operator's key."""
    if environ["PATH_INFO"] != "/metrics":
        start_response("404 Not Found", [("Content-Type", _TEXT)])
        return [b"There is only /metrics.\n"]
    if not _may_ask(keys.offered_in(environ.get("HTTP_X_API_KEY"), environ.get("HTTP_AUTHORIZATION"))):
        start_response("401 Unauthorized", [("Content-Type", _TEXT), ("WWW-Authenticate", "Bearer")])
        return [b"This needs an operator's key of MEMORY_API_KEYS, as X-API-Key or as a bearer token.\n"]
    start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
    return [generate_latest(counted())]


def _may_ask(offered: keys.OfferedKey | None) -> bool:
    configured = [key.get_secret_value() for key in settings.ENV.api_keys]
    return not configured or (offered is not None and keys.is_one_of(offered, configured))
