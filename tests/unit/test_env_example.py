""".env.example lists every setting, and none that is not."""

import re
from pathlib import Path

from memory_layer import env

TEXT = (Path(__file__).parents[2] / ".env.example").read_text(encoding="utf-8")
LISTED = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", TEXT, re.MULTILINE))


def test_every_setting_is_listed():
    assert set(LISTED) == set(env.variable_names())


def test_the_values_shown_are_accepted():
    shown = {name: value for name, value in LISTED.items() if value}
    assert env.load(shown).embedding_batch_size == 256


def test_the_values_shown_are_the_defaults():
    defaults = env.load({})
    servers = {"MEMORY_DATABASE_URL", "MEMORY_REDIS_URL"}
    shown = env.load({name: value for name, value in LISTED.items() if value and name not in servers})
    assert shown == defaults
