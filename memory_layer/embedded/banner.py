"""What `make run` says when everything is up."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

_BOLD, _YELLOW, _PLAIN = "\033[1m", "\033[33m", "\033[0m"
_MESSAGE = (
    '{"tenant_id":"test","conversation_id":"conv-1","role":"user","content":"I love Python programming"}'
)


@dataclass(frozen=True)
class Facts:
    """What the banner tells."""

    host: str
    port: int
    data_dir: Path
    password_file: Path
    password_is_new: bool
    open_access: bool


def banner(facts: Facts) -> str:
    """The whole text, two pasteable calls at its end."""
    place = f"{reachable(facts.host)}:{facts.port}"
    lines = [
        "",
        f"{strong('AI Memory Layer')} is ready: {strong(f'http://{place}')}",
        f"  API docs   http://{place}/docs",
        f"  Admin      http://{place}/admin/   {_admin(facts)}",
        f"  Data       {facts.data_dir}",
        f"  Logs       {facts.data_dir / 'logs'}",
    ]
    if facts.open_access:
        lines += [
            "",
            warning("Open access: no API key configured, every caller may read and write everything."),
            "  Set MEMORY_API_KEYS to close it.",
        ]
    return "\n".join(
        [*lines, "", "Try it:", *_calls(place, facts.open_access), "", "Ctrl-C stops everything.", ""]
    )


def reachable(host: str) -> str:
    """An address to call for the address listened on."""
    if host in ("", "0.0.0.0", "127.0.0.1"):  # noqa: S104 - compared, not bound
        return "localhost"
    if host.strip("[]") == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def say(line: str) -> None:
    """Print at once. The terminal may be gone (SIGHUP): that must not break the ordered stop."""
    try:
        print(line, flush=True)
    except OSError:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - kept open for good


def strong(text: str) -> str:
    """Bold, on a terminal."""
    return _coloured(_BOLD, text)


def warning(text: str) -> str:
    """Yellow, on a terminal."""
    return _coloured(_YELLOW, text)


def _coloured(code: str, text: str) -> str:
    plain = os.environ.get("NO_COLOR") or not sys.stdout.isatty()
    return text if plain else f"{code}{text}{_PLAIN}"


def _admin(facts: Facts) -> str:
    if facts.password_is_new:
        return f"user admin, password {strong(facts.password_file.read_text(encoding='utf-8').strip())}"
    if facts.password_file.exists():
        return f"user admin, first password in {facts.password_file}"
    return "with the user that you created"


def _calls(place: str, open_access: bool) -> list[str]:
    key = "" if open_access else " -H 'X-API-Key: <your key>'"
    return [
        f"  curl -X POST {place}/v1/messages{key} -H 'Content-Type: application/json' \\",
        f"    -d '{_MESSAGE}'",
        f"  curl{key} 'http://{place}/v1/memory/search?tenant_id=test&query=Python&top_k=5'",
    ]
