from pathlib import Path

import pytest

from memory_layer.embedded.banner import Facts, banner, reachable
from memory_layer.embedded.environment import Wishes, children_environ
from memory_layer.embedded.servers import Servers
from memory_layer.embedded.sockets import Sockets

EMBEDDED = Servers(Sockets(Path("/tmp/x")), "postgresql://memory@/memory?host=x", "unix:///tmp/x?db=0")
OUTSIDE = Servers(Sockets(Path("/tmp/x")))


def test_the_children_learn_where_the_servers_are(tmp_path: Path) -> None:
    environ = children_environ(Wishes({"PATH": "/bin", "PGPORT": "5433"}), tmp_path, EMBEDDED)
    assert environ["MEMORY_DATABASE_URL"] == EMBEDDED.database_url
    assert environ["MEMORY_REDIS_URL"] == EMBEDDED.redis_url
    assert environ["MEMORY_SECRET_KEY"] == (tmp_path / "secret-key").read_text()
    assert environ["MEMORY_OPEN_ACCESS"] == "true"
    assert environ["PATH"] == "/bin"
    assert "PGPORT" not in environ


def test_what_the_operator_said_stays(tmp_path: Path) -> None:
    said = {
        "MEMORY_DATABASE_URL": "postgresql://db/x",
        "MEMORY_SECRET_KEY_FILE": "/run/secret",
        "PGPORT": "5433",
    }
    environ = children_environ(Wishes(said), tmp_path, OUTSIDE)
    assert said.items() <= environ.items()
    assert not {"MEMORY_REDIS_URL", "MEMORY_SECRET_KEY", "MEMORY_OPEN_ACCESS"} & environ.keys()


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    wishes = Wishes({"MEMORY_API_KEYS": "", "MEMORY_DATABASE_URL": ""})
    assert not wishes.has("MEMORY_DATABASE_URL")
    assert "MEMORY_API_KEYS" not in children_environ(wishes, tmp_path, EMBEDDED)


@pytest.mark.parametrize(
    "closing",
    [
        {"MEMORY_API_KEYS": "k" * 16},
        {"MEMORY_API_KEYS_FILE": "/run/keys"},
        {"MEMORY_ENV": "production"},
        {"MEMORY_DATABASE_URL": "postgresql://db/x"},
        {"MEMORY_DATABASE_URL_FILE": "/run/url"},
    ],
)
def test_open_access_needs_a_private_machine_without_keys(closing: dict[str, str]) -> None:
    assert Wishes({}).open_access
    assert not Wishes(closing).open_access


def test_metrics_of_dead_processes_are_wiped(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "counter_1.db").touch()
    environ = children_environ(Wishes({}), tmp_path, EMBEDDED)
    assert list(Path(environ["PROMETHEUS_MULTIPROC_DIR"]).iterdir()) == []


@pytest.mark.parametrize(
    ("bound", "called"),
    [
        ("127.0.0.1", "localhost"),
        ("0.0.0.0", "localhost"),
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("10.0.0.5", "10.0.0.5"),
    ],
)
def test_the_banner_names_an_address_that_answers(bound: str, called: str) -> None:
    assert reachable(bound) == called


def facts(tmp_path: Path, *, new: bool = False, open_access: bool = True) -> Facts:
    return Facts("127.0.0.1", 8001, tmp_path, tmp_path / "admin-password", new, open_access)


def test_the_banner_shows_a_new_password_once(tmp_path: Path) -> None:
    (tmp_path / "admin-password").write_text("correct-horse\n")
    assert "password correct-horse" in banner(facts(tmp_path, new=True))
    later = banner(facts(tmp_path))
    assert "correct-horse" not in later
    assert str(tmp_path / "admin-password") in later


def test_the_banner_warns_of_open_access_and_pastes_the_port(tmp_path: Path) -> None:
    text = banner(facts(tmp_path))
    assert "Open access: no API key configured" in text
    assert "curl -X POST localhost:8001/v1/messages" in text
    assert "\033" not in text
    closed = banner(facts(tmp_path, open_access=False))
    assert "Open access" not in closed
    assert "X-API-Key" in closed
