"""What each kind of process loads: nothing that it never uses, and before it forks what its processes can share."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import own_memory

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "memory_layer.settings",
    "MEMORY_EMBEDDING_PROVIDER": "local",
    "MEMORY_EMBEDDING_DIMENSIONS": "256",
}
# As celery.apps.beat starts, with the scheduler of the settings.
BEAT = """
from memory_layer.celery import app
app.loader.init_worker()
app.finalize()
import memory_layer.beat
"""
# As celery.apps.worker does before it forks.
WORKER = """
from celery.signals import worker_init
from memory_layer.celery import app
app.loader.init_worker()
worker_init.send(app.WorkController)
"""
WEB = "import memory_layer.wsgi\n"
CHILD = """
import os, re
from memories.embeddings import embed
def own():
    text = open("/proc/self/smaps_rollup").read()
    return int(re.search(r"^Private_Dirty:\\s+(\\d+)", text, re.MULTILINE)[1]) / 1024
reading, writing = os.pipe()
if os.fork() == 0:
    embed(["Where does Mia live?"])
    os.write(writing, str(own()).encode())
    os._exit(0)
os.wait()
print(os.read(reading, 100).decode())
"""


def said_by(code: str) -> str:
    """What a process of its own prints last."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environ | SETTINGS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def loaded(code: str) -> set[str]:
    """The names of all modules."""
    return set(json.loads(said_by(f"{code}\nimport json, sys\nprint(json.dumps([*sys.modules]))")))


def test_beat_has_neither_model_nor_pages_nor_tasks():
    modules = loaded(BEAT)
    assert modules.isdisjoint({"numpy", "tokenizers", "wordllama", "openai", "requests"})
    assert modules.isdisjoint({"memories.tasks", "retention.tasks", "memory_layer.urls", "memories.views"})
    assert modules.isdisjoint({"memories.admin", "retention.admin", "tenants.admin", "unfold.admin"})
    assert "memory_layer.beat" in modules


def test_a_worker_has_tasks_and_model_before_it_forks_and_no_pages():
    modules = loaded(WORKER)
    assert modules >= {"memories.tasks", "memories.space_tasks", "retention.tasks", "tokenizers"}
    assert modules.isdisjoint({"wordllama", "openai", "requests", "memory_layer.urls", "memories.admin"})


def test_web_has_its_pages_and_the_model_before_the_first_request():
    modules = loaded(WEB)
    assert modules >= {"memories.views", "memories.admin", "memory_layer.console", "tokenizers"}
    assert modules.isdisjoint({"wordllama", "openai"})


def test_a_connection_made_before_anything_of_search_is_loaded_takes_its_vectors():
    """Django gives each connection the types that are known at the first one."""
    search = """
import django
django.setup()
from django.db import connection
connection.ensure_connection()
from memories import statements, vectors
from tenants import isolation
with isolation.beyond():
    print(statements.rows("SELECT %s::halfvec::text", [vectors.sent([0.5, 1.0])]))
"""
    assert said_by(search) == "[('[0.5,1]',)]"


@own_memory.readable
@pytest.mark.parametrize("collect", ["", "import gc; gc.collect()\n"], ids=["at once", "after a collection"])
def test_a_worker_s_processes_share_what_it_has_loaded(collect):
    """Alone the model has 16 MB and its tokenizer 14, and all modules 90."""
    child = CHILD.replace("    embed(", f"    {collect}    embed(") if collect else CHILD
    assert float(said_by(WORKER + child)) < 12
