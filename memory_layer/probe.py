"""Whether this container's process does its work: `python -m memory_layer.probe web|worker|beat`, exit code 0 or 1.

For HEALTHCHECK. Asked every half a minute for ever, so it loads neither Django nor the application: web is asked over
HTTP, the worker over its broker, beat by the mark that it leaves in the database.
"""

import argparse
import http.client
import socket
import sys
from collections.abc import Callable, Sequence

import psycopg
from celery import Celery
from psycopg.conninfo import make_conninfo

from memory_layer import env as environment
from memory_layer.celery_settings import CELERY, LATE_SECONDS, broker_url
from memory_layer.embedded.banner import reachable

SECONDS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Say in a sentence what is wrong; answers the exit code."""
    role = parser().parse_args(arguments).role
    try:
        fault = PROBES[role](environment.load())
    except (OSError, http.client.HTTPException, psycopg.Error) as error:
        fault = f"{type(error).__name__}: {error}"
    print(f"{role}: {fault or 'well'}")  # noqa: T201 - Docker keeps it with the state
    return 1 if fault else 0


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    options = argparse.ArgumentParser(prog="python -m memory_layer.probe", description=__doc__)
    options.add_argument("role", choices=PROBES)
    return options


def web(env: environment.Env) -> str:
    """Ready to serve: the database is reached and migrated."""
    host = reachable(env.host).strip("[]")
    connection = http.client.HTTPConnection(host, env.port, timeout=SECONDS)
    try:
        name = next(iter(env.allowed_hosts), "localhost").lstrip(".")
        connection.request("GET", "/health/ready", headers={"Host": name})
        status = connection.getresponse().status
    finally:
        connection.close()
    return "" if status == 200 else f"/health/ready answered {status}"


def worker(env: environment.Env) -> str:
    """The worker of this machine answers a ping through Redis; one in the middle of a long task does too."""
    app = Celery(broker=broker_url(env.redis_url))
    app.conf.broker_transport_options = CELERY["broker_transport_options"]
    name = f"celery@{socket.gethostname()}"
    answers = app.control.ping(destination=[name], timeout=SECONDS)
    return "" if answers else f"{name} does not answer"


def beat(env: environment.Env) -> str:
    """The last sweep was sent a short while ago."""
    query = """SELECT extract(epoch FROM now() - max(last_run_at)) FROM django_celery_beat_periodictask
               WHERE task = 'memories.tasks.sweep'"""
    with psycopg.connect(make_conninfo(env.database_url, connect_timeout=SECONDS)) as connection:
        [age] = connection.execute(query).fetchone() or [None]
    if age is None:
        return "nothing was sent yet"
    return "" if age < LATE_SECONDS else f"nothing was sent for {age:.0f} s"


PROBES: dict[str, Callable[[environment.Env], str]] = {"web": web, "worker": worker, "beat": beat}

if __name__ == "__main__":
    sys.exit(main())
