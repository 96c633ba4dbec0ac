"""What single variables of the environment may hold: types of `env.Env` that refuse all else with a sentence."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, SecretStr

from retention.cron import OFF, read_crontab

HOPS_MAX = 10
KEY_LENGTH_MIN = 16


def split_commas(value: Any) -> Any:
    """Lists are written with commas; empty parts are dropped."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def proxies_are_counted_or_named(value: Any) -> Any:
    """`2`, or networks with commas; nothing means none."""
    parts = [part.strip() for part in str(value).split(",") if part.strip()]
    if len(parts) == 1 and parts[0] in map(str, range(HOPS_MAX + 1)):
        return int(parts[0])
    try:
        return [ip_network(part) for part in parts] or 0
    except ValueError as error:
        raise ValueError(
            f"must be how many proxies stand before the server (0 to {HOPS_MAX}), or their networks"
        ) from error


def keys_are_long(keys: list[SecretStr]) -> list[SecretStr]:
    """A short key can be guessed over the network."""
    if any(len(key.get_secret_value()) < KEY_LENGTH_MIN for key in keys):
        raise ValueError(f"every key needs at least {KEY_LENGTH_MIN} characters")
    return keys


def database_is_postgresql(value: str) -> str:
    """Only PostgreSQL has pgvector."""
    if not value.startswith(("postgresql://", "postgres://")):
        raise ValueError("must start with postgresql://")
    return value


def redis_has_a_scheme(value: str) -> str:
    """The schemes that redis-py speaks."""
    if not value.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must start with redis://, rediss:// or unix://")
    return value


def provider_is_a_web_address(value: str) -> str:
    """Said now rather than as a provider that never answers."""
    if value and not value.startswith(("http://", "https://")):
        raise ValueError("must start with https:// or http://")
    return value


def schedule_fires(value: str) -> str:
    """A schedule that nobody understands would be one that never fires."""
    if value != OFF:
        try:
            read_crontab(value, "UTC")
        except ValueError as error:
            raise ValueError(f"{error}. Give a crontab line such as 17 3 * * *, or {OFF}") from error
    return value


Words = Annotated[list[str], BeforeValidator(split_commas)]
Keys = Annotated[list[SecretStr], BeforeValidator(split_commas), AfterValidator(keys_are_long)]
Proxies = Annotated[int | list[IPv4Network | IPv6Network], BeforeValidator(proxies_are_counted_or_named)]
DatabaseUrl = Annotated[str, AfterValidator(database_is_postgresql)]
RedisUrl = Annotated[str, AfterValidator(redis_has_a_scheme)]
WebAddress = Annotated[str, AfterValidator(provider_is_a_web_address)]
Schedule = Annotated[str, AfterValidator(schedule_fires)]
