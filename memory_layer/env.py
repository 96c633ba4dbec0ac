"""The environment, typed: every MEMORY_* variable, its default and its range.

A wrong value, an unknown MEMORY_* name or an unsafe production set-up stops the start with sentences that
name the variables. Each variable can also be given as NAME_FILE, the path of a file that holds the value
(Docker and Kubernetes secrets).
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from memory_layer.env_checks import DatabaseUrl, Keys, Proxies, RedisUrl, Schedule, WebAddress, Words

DEVELOPMENT_SECRET_KEY = "development-only-not-a-secret"  # noqa: S105 - production refuses it
PREFIX = "MEMORY_"
# A covering b-tree row holds at most 2,704 bytes; a half-precision dimension takes two of them.
MAX_DIMENSIONS = 1280


class Env(BaseModel):
    """What the operator decides. Field names are the variable names without MEMORY_, in lower case."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    # Django asks every setting's value for it, and pydantic takes long to say that there is none.
    _mask_wrapped: ClassVar[bool] = True

    # who may come in
    env: Literal["development", "production"] = "development"
    secret_key: SecretStr = SecretStr(DEVELOPMENT_SECRET_KEY)
    api_keys: Keys = []
    open_access: bool = False
    allowed_hosts: Words = ["localhost", "127.0.0.1", "[::1]"]
    csrf_trusted_origins: Words = []
    tenant_auto_create: bool | None = None
    trusted_proxies: Proxies = 0  # how many, or their networks

    audit_reads: bool = False  # reads of content through the API, too

    # the servers behind
    # A URL may hold a password: not in the repr.
    database_url: DatabaseUrl = Field("postgresql://memory@localhost/memory", repr=False)
    redis_url: RedisUrl = Field("redis://localhost:6379/0", repr=False)
    database_prepare: bool = True  # off behind a pooler that does not know prepared statements
    database_pooled: bool = False  # behind a transaction pooler: no session state

    # embeddings
    embedding_provider: Literal[
        "local", "openai", "azure_openai", "openai_compatible", "sentence_transformers", "mock"
    ] = "local"
    embedding_model: str = ""
    embedding_dimensions: int = Field(256, ge=1, le=MAX_DIMENSIONS)
    embedding_base_url: WebAddress = ""
    embedding_timeout_seconds: float = Field(20, gt=0, le=300)
    embedding_batch_size: int = Field(256, ge=1, le=2048)
    embedding_lease_seconds: int = Field(60, ge=5, le=3600)
    embedding_api_key: SecretStr = SecretStr("")
    embedding_send_dimensions: bool = False
    embedding_failover: Literal["", "openai", "azure_openai", "openai_compatible"] = ""
    embedding_breaker_failures: int = Field(5, ge=1, le=1000)
    embedding_breaker_seconds: float = Field(30, ge=1, le=3600)
    openai_api_key: SecretStr = SecretStr("")
    azure_openai_endpoint: WebAddress = ""
    azure_openai_api_key: SecretStr = SecretStr("")
    azure_openai_api_version: str = "2024-10-21"
    azure_openai_deployment: str = ""
    embedding_price_per_million_tokens: float | None = Field(None, ge=0, le=1000)  # USD

    # the 60/30/10 of the ranking, for tenants that set nothing else
    weight_similarity: float = Field(0.6, ge=0, le=1)
    weight_importance: float = Field(0.3, ge=0, le=1)
    weight_decay: float = Field(0.1, ge=0, le=1)
    half_life_days: float = Field(30, gt=0, le=36500)

    # retention: the policy of tenants that have none of their own, and the time to change one's mind
    retention_default: bool = True
    retention_archive_after_days: float = Field(90, ge=0, le=36500)
    retention_archive_below_importance: float = Field(0.3, ge=0, le=1)
    retention_delete_archived_after_days: float | None = Field(365, ge=0, le=36500)
    retention_grace_days: float = Field(7, ge=0, le=36500)
    retention_schedule: Schedule = (
        "17 3 * * *"  # of policies without their own: a crontab line by UTC, or off
    )

    # limits of tenants that have none of their own; 0: no limit
    rate_limit_reads_per_minute: int = Field(0, ge=0, le=1_000_000)
    rate_limit_writes_per_minute: int = Field(0, ge=0, le=1_000_000)
    rate_limit_burst_seconds: int = Field(
        60, ge=1, le=86_400
    )  # what grows back in that time may be used at once
    rate_limit_on_outage: Literal["open", "closed"] = "open"  # while Redis is down: let pass, or refuse
    message_quota: int = Field(0, ge=0, le=10**15)
    byte_quota: int = Field(0, ge=0, le=10**15)

    search_cache_seconds: int = Field(60, ge=0, le=3600)  # how long an answer may be repeated; 0: never

    # the vectors of large tenants
    exact_search_vectors: int = Field(10_000, ge=1, le=10_000_000)  # a tenant with more gets buckets
    probes: int = Field(32, ge=1, le=4096)  # buckets that a search looks into

    # what is told
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "json", "console"] = "auto"
    tracing: bool = False  # needs requirements/tracing.txt; where to, the OTEL_* variables say
    metrics_port: int = Field(0, ge=0, le=65535)  # where worker and beat tell their own metrics; 0: nowhere

    # read by the supervisor of `make run` and by the web server, checked here so that a wrong one is refused
    data_dir: Path = Path(".data")
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    web_workers: int = Field(2, ge=1, le=64)
    web_threads: int = Field(4, ge=1, le=64)
    worker_concurrency: int = Field(default_factory=lambda: min(2, os.cpu_count() or 1), ge=1, le=64)

    @model_validator(mode="after")
    def failover_is_another_server(self) -> "Env":
        """A stand-in must have the same model, and not be down for the same reason."""
        pair = {self.embedding_provider, self.embedding_failover}
        if not self.embedding_failover:
            return self
        if self.embedding_provider not in ("openai", "azure_openai", "openai_compatible"):
            raise ValueError(
                f"MEMORY_EMBEDDING_FAILOVER needs a remote provider: nobody else has {self.embedding_provider}'s model"
            )
        if len(pair) == 1:
            raise ValueError("MEMORY_EMBEDDING_FAILOVER must name another provider")
        if pair == {"openai", "openai_compatible"}:
            raise ValueError(
                "MEMORY_EMBEDDING_FAILOVER: openai and openai_compatible would both ask MEMORY_EMBEDDING_BASE_URL"
            )
        return self

    @model_validator(mode="after")
    def weights_say_something(self) -> "Env":
        """Three zeros would score every message 0."""
        if self.weight_similarity + self.weight_importance + self.weight_decay <= 0:
            raise ValueError("MEMORY_WEIGHT_SIMILARITY, _IMPORTANCE and _DECAY must not all be 0")
        return self

    @model_validator(mode="after")
    def production_is_closed(self) -> "Env":
        """Production starts only with a secret, with keys, with named hosts and without open access."""
        if self.env != "production":
            return self
        faults = []
        if self.secret_key.get_secret_value() in ("", DEVELOPMENT_SECRET_KEY):
            faults.append("MEMORY_SECRET_KEY must be set to a secret of your own")
        if not self.api_keys:
            faults.append("MEMORY_API_KEYS must hold at least one operator key")
        if self.open_access:
            faults.append("MEMORY_OPEN_ACCESS must not be set")
        if "*" in self.allowed_hosts:
            faults.append("MEMORY_ALLOWED_HOSTS must name the hosts, not *")
        if faults:
            raise ValueError("with MEMORY_ENV=production: " + "; ".join(faults))
        return self

    @property
    def production(self) -> bool:
        """True for MEMORY_ENV=production."""
        return self.env == "production"

    @property
    def creates_tenants(self) -> bool:
        """Whether an operator's write to an unknown tenant creates it; off in production unless set."""
        return not self.production if self.tenant_auto_create is None else self.tenant_auto_create


def load(environ: Mapping[str, str] = os.environ) -> Env:
    """Read the environment.

    Raises SystemExit with one sentence a fault: a start with a wrong setting must not look like a start.
    """
    values, faults = _values(environ)
    try:
        env = Env.model_validate(values)
    except ValidationError as error:
        faults += [_sentence(detail) for detail in error.errors()]
    if faults:
        raise SystemExit("The environment is wrong:\n" + "\n".join(f"  - {fault}" for fault in faults))
    return env


def variable_names() -> dict[str, str]:
    """Environment variable -> field, for every field."""
    return {_variable(field): field for field in Env.model_fields}


def _values(environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    known = variable_names()
    values: dict[str, str] = {}
    faults: list[str] = []
    for name in sorted(environ):
        variable = name.removesuffix("_FILE") if name.endswith("_FILE") else name
        if variable not in known:
            if name.startswith(PREFIX):
                faults.append(_unknown(name, known))
            continue
        if name != variable and variable in environ:
            faults.append(f"{variable} and {name} are both set; keep one")
            continue
        try:
            values[known[variable]] = environ[name] if name == variable else _read(environ[name])
        except OSError as error:
            faults.append(f"{name} names a file that cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            faults.append(f"{name} names a file that is not UTF-8 text")
    return values, faults


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8").strip()


def _unknown(name: str, known: Mapping[str, str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"{name} is not a setting" + (f"; did you mean {close[0]}?" if close else "")


def _sentence(detail: Any) -> str:
    field = str(detail["loc"][0]) if detail["loc"] else ""
    message = detail["msg"].removeprefix("Value error, ")
    if not field:
        return str(message)
    return f"{_variable(field)}: {message[0].lower()}{message[1:]}"


def _variable(field: str) -> str:
    """OPENAI_API_KEY and AZURE_OPENAI_* keep the names that everybody has in the environment already."""
    return field.upper() if field.startswith(("openai_", "azure_openai_")) else PREFIX + field.upper()
