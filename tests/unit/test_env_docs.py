"""The page of settings is what the settings are."""

from pathlib import Path

from memory_layer import env, env_docs

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")


def row(variable: str) -> str:
    return next(line for line in PAGE.splitlines() if line.startswith(f"| `{variable}` |"))


def test_the_page_is_what_the_generator_prints(capsys):
    env_docs.main()
    assert capsys.readouterr().out == PAGE, "python -m memory_layer.env_docs > docs/configuration.md"


def test_every_setting_is_on_it():
    assert all(row(variable) for variable in env.variable_names())


def test_defaults_ranges_and_choices_are_told():
    assert "| `256` | whole number, 1 to 1,280 |" in row("MEMORY_EMBEDDING_DIMENSIONS")
    assert "| `30` | number, above 0 to 36,500 |" in row("MEMORY_HALF_LIFE_DAYS")
    assert "| `open` | `open`, `closed` |" in row("MEMORY_RATE_LIMIT_ON_OUTAGE")
    assert "[security.md](security.md)" in row("MEMORY_TRUSTED_PROXIES")


def test_no_default_of_a_secret_is_told():
    assert env.DEVELOPMENT_SECRET_KEY not in PAGE


def test_a_setting_that_is_new_is_seen():
    """What is in .env.example alone decides sections and sentences."""
    [section] = env_docs.sections("# --- what it is; why ---\n# so many\n# at once\n#MEMORY_PORT=8000\n")
    assert (section.title, section.remarks) == ("What it is", ["Why.\n"])
    assert section.variables == {"MEMORY_PORT": "so many at once"}
