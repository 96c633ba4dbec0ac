"""`python -m memory_layer.embedded run` and `python -m memory_layer.embedded exec -- COMMAND...`."""

import argparse
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Sequence

from memory_layer.embedded.errors import EmbeddedError
from memory_layer.embedded.joining import read_dotenv
from memory_layer.embedded.supervisor import run
from memory_layer.embedded.throwaway import throwaway_servers


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, do, answer the exit code."""
    parser = argparse.ArgumentParser(prog="python -m memory_layer.embedded", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="serve web, worker and beat on an embedded PostgreSQL and Redis")
    execute = commands.add_parser("exec", help="run a command against throw-away servers")
    execute.add_argument("words", nargs="+", metavar="COMMAND")
    parsed = parser.parse_args(arguments)
    try:
        if parsed.command == "exec":
            return run_command(parsed.words)
        read_dotenv()
        return run(os.environ)
    except EmbeddedError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # during the start of throw-away servers, which are stopped by now
        return 128 + signal.SIGINT


def run_command(words: Sequence[str]) -> int:
    """Run a command with the URLs of throw-away servers; answers its exit code.

    The command shares our terminal and gets its Ctrl-C; we outlive it to clean up. SIGTERM is handed on.
    """
    with throwaway_servers() as servers:
        urls = {"MEMORY_DATABASE_URL": servers.database_url, "MEMORY_REDIS_URL": servers.redis_url}
        own = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        secret = {"MEMORY_SECRET_KEY": os.environ.get("MEMORY_SECRET_KEY") or secrets.token_urlsafe(50)}
        try:
            child = subprocess.Popen(words, env=own | urls | secret)
        except OSError as error:
            raise EmbeddedError(f"Cannot run {words[0]}: {error.strerror}") from error
        signal.signal(signal.SIGINT, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, _: child.send_signal(received))
        code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
