"""The short form of `make model`: the same sequences each time."""

import os

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fake_provider import FakeProvider
from tests.model.machine import Machine

# `make model` sets them.
SEQUENCES = int(os.environ.get("MODEL_SEQUENCES", "14"))
STEPS = int(os.environ.get("MODEL_STEPS", "30"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(0 if "MODEL_SEQUENCES" in os.environ else 120)
def test_whatever_is_done_the_memory_is_what_it_must_be(httpserver, settings) -> None:
    fake = FakeProvider(httpserver)
    update = fake.settings(embedding_batch_size=2, search_cache_seconds=60, embedding_timeout_seconds=30)
    settings.ENV = settings.ENV.model_copy(update=update)
    run_state_machine_as_test(
        lambda: Machine(fake),
        settings=hypothesis_settings(
            max_examples=SEQUENCES,
            stateful_step_count=STEPS,
            derandomize="MODEL_SEQUENCES" not in os.environ,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
