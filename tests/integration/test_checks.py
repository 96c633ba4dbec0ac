"""System checks: a wrong set-up is named, with what would mend it."""

import io

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections
from pydantic import SecretStr

from memories import checks
from memories.models import EmbeddingSpace
from memory_layer.checks import check_open_access
from tests.factories import remember


def ids(messages) -> list[str]:
    return [message.id for message in messages]


def test_it_works(acme):
    remember(acme, "hello")
    assert ids(run_checks(databases=["default"])) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"embedding_provider": "openai"}, ["memories.E001"]),
        ({"embedding_provider": "openai", "openai_api_key": SecretStr("sk-x")}, []),
        ({"embedding_provider": "local", "embedding_dimensions": 1024}, ["memories.E002"]),
        ({"embedding_provider": "local", "embedding_dimensions": 256}, []),
        ({"embedding_provider": "mock", "embedding_dimensions": 7}, []),
    ],
)
def test_the_provider_must_have_its_key_and_dimensions(configure, values, expected):
    configure(**values)
    assert ids(checks.check_provider()) == expected


def test_every_error_says_what_mends_it(configure):
    configure(embedding_provider="openai")
    assert "OPENAI_API_KEY" in checks.check_provider()[0].hint
    configure(embedding_provider="local", embedding_dimensions=7)
    assert "MEMORY_EMBEDDING_DIMENSIONS=256" in checks.check_provider()[0].hint


class Cursor:
    """A cursor whose server has this version of pgvector."""

    def __init__(self, found):
        self.found = found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def execute(self, *_):
        if isinstance(self.found, Exception):
            raise self.found

    def fetchone(self):
        return self.found


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, ["memories.E003"]),
        (("0.6.2", "0.6.2"), ["memories.E004"]),
        (("0.8.1", "0.5.0"), ["memories.E004"]),
        (("0.7.0", "0.7.0"), []),
        (("0.10.0", "0.10.0"), []),
        (("1.0", "1.0"), []),
        (DatabaseError("away"), ["memories.W001"]),
    ],
    ids=str,
)
def test_pgvector_must_be_there_and_new_enough(db, monkeypatch, found, expected):
    monkeypatch.setattr(checks, "_check_space", lambda _: [])
    monkeypatch.setattr(connections["default"], "cursor", lambda: Cursor(found), raising=False)
    faults = checks.check_database(databases=["default"])
    monkeypatch.undo()
    assert ids(faults) == expected


@pytest.mark.parametrize(
    "values", [{"embedding_dimensions": 128}, {"embedding_model": "other"}, {"embedding_provider": "local"}]
)
def test_settings_that_do_not_fit_the_stored_vectors_are_named(acme, configure, values):
    remember(acme, "hello")
    space = EmbeddingSpace.objects.get()
    configure(**values)
    [fault] = checks.check_database(databases=["default"])
    assert fault.id == "memories.W002"
    assert str(space) in fault.msg


def test_an_empty_database_fits_any_settings(db, configure):
    configure(embedding_dimensions=128)
    assert checks.check_database(databases=["default"]) == []


def test_the_database_is_asked_only_where_one_is_named(django_assert_num_queries, db):
    with django_assert_num_queries(0):
        assert checks.check_database(databases=None) == []


def test_manage_check_fails_on_an_error(db, configure):
    configure(embedding_provider="openai")
    with pytest.raises(CommandError, match=r"memories\.E001"):
        call_command("check", databases=["default"], stderr=io.StringIO())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"open_access": True}, ["memory_layer.W001"]),
        ({"open_access": True, "api_keys": [SecretStr("first-operator-key")]}, []),
        ({"open_access": False}, []),
    ],
)
def test_open_access_is_warned_of(configure, values, expected):
    configure(**values)
    assert ids(check_open_access()) == expected
