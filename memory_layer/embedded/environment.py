"""What the supervisor reads from the environment, and the environment that its children get."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from memory_layer.embedded.data_dir import secret_key
from memory_layer.embedded.servers import Servers


@dataclass(frozen=True)
class Wishes:
    """What the operator decided."""

    environ: Mapping[str, str]

    def has(self, name: str) -> bool:
        """Whether NAME or NAME_FILE is set; an empty value is none."""
        return bool(self.environ.get(name) or self.environ.get(f"{name}_FILE"))

    @property
    def host(self) -> str:
        """The address to listen on."""
        return self.environ.get("MEMORY_HOST") or "127.0.0.1"

    @property
    def open_access(self) -> bool:
        """Nobody configured keys, and the database is the private one of a developer's machine."""
        return (
            not self.has("MEMORY_DATABASE_URL")
            and not self.has("MEMORY_API_KEYS")
            and self.environ.get("MEMORY_ENV") != "production"
        )


def children_environ(wishes: Wishes, data_dir: Path, servers: Servers) -> dict[str, str]:
    """The operator's environment, completed where the operator left it open."""
    environ = {
        name: value for name, value in wishes.environ.items() if value or not name.startswith("MEMORY_")
    }
    if servers.database_url:
        # PGPORT and the like, meant for another server, would lead libpq away from the embedded one.
        environ = {name: value for name, value in environ.items() if not name.startswith("PG")}
        environ["MEMORY_DATABASE_URL"] = servers.database_url
    if servers.redis_url:
        environ["MEMORY_REDIS_URL"] = servers.redis_url
    if not wishes.has("MEMORY_SECRET_KEY"):
        environ["MEMORY_SECRET_KEY"] = secret_key(data_dir)
    if wishes.open_access and not wishes.has("MEMORY_OPEN_ACCESS"):
        environ["MEMORY_OPEN_ACCESS"] = "true"
    return environ | {
        "DJANGO_SETTINGS_MODULE": "memory_layer.settings",
        "PROMETHEUS_MULTIPROC_DIR": str(_fresh(data_dir / "metrics")),
        "PYTHONUTF8": "1",  # under LANG=C files and output would be ASCII
        "PYTHONUNBUFFERED": "1",
        # One thread a process: the pools of processes are the parallelism.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def _fresh(directory: Path) -> Path:
    """Files of dead processes would be counted for ever: prometheus_client never removes them."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    return directory
