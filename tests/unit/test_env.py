"""The environment: defaults, what each variable takes, and what stops the start."""

import os

import pytest

from memory_layer import env

SECRET = "sesame-0123456789-sesame"
PRODUCTION = {
    "MEMORY_ENV": "production",
    "MEMORY_SECRET_KEY": SECRET,
    "MEMORY_API_KEYS": "operator-key-0123456789",
    "MEMORY_ALLOWED_HOSTS": "memory.example.com",
}


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        env.load(environ)
    return str(stopped.value)


def test_it_works():
    loaded = env.load(
        {"MEMORY_PORT": "9000", "MEMORY_ALLOWED_HOSTS": "a.example, b.example,", "HOME": "/root"}
    )
    assert loaded.port == 9000
    assert loaded.allowed_hosts == ["a.example", "b.example"]


def test_nothing_set_means_a_development_machine_with_the_local_model():
    loaded = env.load({})
    assert (loaded.env, loaded.embedding_provider, loaded.embedding_dimensions) == (
        "development",
        "local",
        256,
    )
    assert (loaded.weight_similarity, loaded.weight_importance, loaded.weight_decay) == (0.6, 0.3, 0.1)
    assert not loaded.open_access
    assert loaded.creates_tenants
    assert loaded.worker_concurrency == min(2, os.cpu_count())


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MEMORY_ENV", "staging"),
        ("MEMORY_API_KEYS", "long-enough-0123456789,short"),
        ("MEMORY_OPEN_ACCESS", "perhaps"),
        ("MEMORY_TENANT_AUTO_CREATE", "perhaps"),
        ("MEMORY_DATABASE_URL", "mysql://localhost/memory"),
        ("MEMORY_REDIS_URL", "localhost:6379"),
        ("MEMORY_EMBEDDING_PROVIDER", "opnai"),
        ("MEMORY_EMBEDDING_DIMENSIONS", "1281"),
        ("MEMORY_EMBEDDING_TIMEOUT_SECONDS", "0"),
        ("MEMORY_EMBEDDING_BATCH_SIZE", "4096"),
        ("MEMORY_EMBEDDING_LEASE_SECONDS", "1"),
        ("MEMORY_WEIGHT_SIMILARITY", "1.5"),
        ("MEMORY_WEIGHT_IMPORTANCE", "-0.1"),
        ("MEMORY_WEIGHT_DECAY", "nan"),
        ("MEMORY_HALF_LIFE_DAYS", "0"),
        ("MEMORY_HALF_LIFE_DAYS", "nan"),
        ("MEMORY_EXACT_SEARCH_VECTORS", "0"),
        ("MEMORY_PROBES", "0"),
        ("MEMORY_PROBES", "4097"),
        ("MEMORY_RETENTION_SCHEDULE", "daily"),
        ("MEMORY_RETENTION_SCHEDULE", ""),
        ("MEMORY_RETENTION_SCHEDULE", "0 0 30 2 *"),
        ("MEMORY_RETENTION_SCHEDULE", "61 3 * * *"),
        ("MEMORY_LOG_LEVEL", "debug"),
        ("MEMORY_LOG_FORMAT", "xml"),
        ("MEMORY_PORT", "65536"),
        ("MEMORY_PORT", "http"),
        ("MEMORY_WEB_WORKERS", "0"),
        ("MEMORY_WEB_THREADS", "many"),
        ("MEMORY_WORKER_CONCURRENCY", "0"),
    ],
)
def test_a_wrong_value_stops_the_start_and_names_its_variable(variable, value):
    assert f"  - {variable}: " in refusal({variable: value})


@pytest.mark.parametrize("line", ["off", "*/5 * * * *", "0 4 * * mon-fri"])
def test_the_schedule_of_retention_is_a_crontab_line_or_off(line):
    assert env.load({"MEMORY_RETENTION_SCHEDULE": line}).retention_schedule == line
    assert "Give a crontab line such as 17 3 * * *, or off" in refusal(
        {"MEMORY_RETENTION_SCHEDULE": f"{line} x"}
    )


def test_all_faults_are_said_at_once():
    text = refusal({"MEMORY_PORT": "x", "MEMORY_LOG_LEVEL": "loud", "MEMORY_COLOUR": "red"})
    assert text.startswith("The environment is wrong:\n")
    assert all(name in text for name in ("MEMORY_PORT", "MEMORY_LOG_LEVEL", "MEMORY_COLOUR"))


def test_weights_that_are_all_zero_are_refused():
    zeros = {f"MEMORY_WEIGHT_{name}": "0" for name in ("SIMILARITY", "IMPORTANCE", "DECAY")}
    assert "MEMORY_WEIGHT_SIMILARITY, _IMPORTANCE and _DECAY must not all be 0" in refusal(zeros)


def test_a_misspelt_variable_is_refused_with_the_one_that_was_meant():
    assert "MEMORY_REDIS_URI is not a setting; did you mean MEMORY_REDIS_URL?" in refusal(
        {"MEMORY_REDIS_URI": "x"}
    )
    assert "MEMORY_ZZZZZ is not a setting" in refusal({"MEMORY_ZZZZZ": "x"})


def test_other_peoples_variables_are_none_of_our_business():
    environ = {"PATH": "/bin", "OPENAI_ORGANIZATION": "x", "SSL_CERT_FILE": "/x"}
    assert env.load(environ) == env.load({})


def test_every_variable_is_known_by_its_name():
    names = env.variable_names()
    assert names["MEMORY_SECRET_KEY"] == "secret_key"
    assert names["OPENAI_API_KEY"] == "openai_api_key"
    assert set(names.values()) == set(env.Env.model_fields)


def test_a_file_gives_the_value_without_its_last_newline(tmp_path):
    (tmp_path / "key").write_text(f"{SECRET}\n")
    environ = {"MEMORY_SECRET_KEY_FILE": str(tmp_path / "key"), "OPENAI_API_KEY_FILE": str(tmp_path / "key")}
    loaded = env.load(environ)
    assert loaded.secret_key.get_secret_value() == SECRET
    assert loaded.openai_api_key.get_secret_value() == SECRET


def test_a_value_and_a_file_of_one_variable_are_refused(tmp_path):
    (tmp_path / "key").write_text(SECRET)
    text = refusal({"MEMORY_SECRET_KEY": SECRET, "MEMORY_SECRET_KEY_FILE": str(tmp_path / "key")})
    assert "MEMORY_SECRET_KEY and MEMORY_SECRET_KEY_FILE are both set; keep one" in text
    assert SECRET not in text


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "absent", tmp_path, tmp_path / "binary"):
        assert "MEMORY_SECRET_KEY_FILE names a file that" in refusal({"MEMORY_SECRET_KEY_FILE": str(path)})


def test_production_that_is_closed_starts():
    loaded = env.load(PRODUCTION)
    assert loaded.production
    assert not loaded.creates_tenants
    assert env.load(PRODUCTION | {"MEMORY_TENANT_AUTO_CREATE": "true"}).creates_tenants


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"MEMORY_SECRET_KEY": ""}, "MEMORY_SECRET_KEY must be set"),
        ({"MEMORY_SECRET_KEY": env.DEVELOPMENT_SECRET_KEY}, "MEMORY_SECRET_KEY must be set"),
        ({"MEMORY_API_KEYS": " , "}, "MEMORY_API_KEYS must hold"),
        ({"MEMORY_OPEN_ACCESS": "true"}, "MEMORY_OPEN_ACCESS must not be set"),
        ({"MEMORY_ALLOWED_HOSTS": "memory.example.com,*"}, "MEMORY_ALLOWED_HOSTS must name the hosts"),
    ],
)
def test_production_that_is_open_does_not_start(change, said):
    assert said in refusal(PRODUCTION | change)


def test_secrets_are_neither_in_an_error_nor_in_a_repr():
    secrets = {
        "MEMORY_SECRET_KEY": SECRET,
        "MEMORY_API_KEYS": f"{SECRET},x",
        "OPENAI_API_KEY": SECRET,
        "MEMORY_DATABASE_URL": f"mysql://memory:{SECRET}@db/memory",
        "MEMORY_REDIS_URL": f"http://:{SECRET}@redis",
    }
    assert SECRET not in refusal(secrets)
    right = secrets | {
        "MEMORY_API_KEYS": SECRET,
        "MEMORY_DATABASE_URL": f"postgresql://memory:{SECRET}@db/memory",
        "MEMORY_REDIS_URL": f"redis://:{SECRET}@redis",
    }
    loaded = env.load(right)
    assert SECRET not in repr(loaded) + str(loaded)
