"""Celery's settings, and the address of its broker in kombu's spelling."""

import pytest
from kombu import Connection

from memory_layer import broker
from memory_layer.celery_settings import CELERY, VISIBILITY_TIMEOUT_SECONDS, broker_url


@pytest.mark.parametrize(
    ("redis_url", "expected"),
    [
        ("redis://localhost:6379/3", "redis://localhost:6379/3"),
        ("rediss://:secret@redis.example:6380/0", "rediss://:secret@redis.example:6380/0"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
    ],
)
def test_it_works(redis_url, expected):
    assert broker_url(redis_url) == expected


@pytest.mark.parametrize(
    ("redis_url", "path", "database", "password"),
    [
        ("unix:///run/redis.sock?db=1", "/run/redis.sock", 1, None),
        ("unix:///home/my%20data/redis.sock?db=2", "/home/my data/redis.sock", 2, None),
        ("unix:///home/my data/redis.sock", "/home/my data/redis.sock", 0, None),
        ("unix://:secret@/run/redis.sock?db=1", "/run/redis.sock", 1, "secret"),
        ("unix:///run/redis.sock?password=sec%2Fret", "/run/redis.sock", 0, "sec/ret"),
    ],
)
def test_kombu_finds_the_socket(redis_url, path, database, password):
    with Connection(broker_url(redis_url)) as connection:
        found = connection.transport.Channel._connparams(_channel(connection))
    assert (found["path"], int(found["db"])) == (path, database)
    assert found["password"] == password


def _channel(connection):
    """A kombu channel that has not connected: what it would connect to is asked of it."""
    channel_class = connection.transport.Channel
    channel = channel_class.__new__(channel_class)
    channel.connection = connection.transport
    return channel


def test_a_connection_that_was_closed_is_an_error_that_celery_expects():
    """Any other ends the worker, if Redis goes while a task runs."""
    broker.use()
    with Connection("redis+socket:///run/redis.sock?virtual_host=0") as connection:
        channel = _channel(connection)
        assert channel._connparams()["path"] == "/run/redis.sock"
        channel.connection.client = None
        with pytest.raises(connection.connection_errors):
            channel._connparams()


def test_a_task_is_delivered_again_only_after_its_time_limit():
    assert CELERY["task_time_limit"] < VISIBILITY_TIMEOUT_SECONDS
    assert CELERY["broker_transport_options"]["visibility_timeout"] == VISIBILITY_TIMEOUT_SECONDS
    assert CELERY["task_acks_late"]
    assert CELERY["task_reject_on_worker_lost"]
