"""`python -m memory_layer.drain`: take this container's web process out of the proxy's turn before it is stopped.

`/health/ready` answers 503 from now on, and everything else as before. A proxy or load balancer that asks it sends no
new requests; those under way end; then the process can be stopped and no request meets a closed door. A stop alone
cannot do that: connections that wait to be accepted when a server closes its socket are reset.

The mark is a file beside the metrics of the container's processes, in a directory that is emptied at every start.
"""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

WAIT_SECONDS = 5.0


def draining() -> bool:
    """Whether this container is on its way out."""
    mark = _mark()
    return mark is not None and mark.exists()


def main(arguments: Sequence[str] | None = None) -> None:
    """Mark, and wait until the proxy has noticed."""
    parser = argparse.ArgumentParser(prog="python -m memory_layer.drain", description=__doc__)
    parser.add_argument(
        "--wait", type=float, default=WAIT_SECONDS, metavar="SECONDS", help="for the proxy to notice"
    )
    given = parser.parse_args(arguments)
    mark = _mark()
    if mark is None:
        raise SystemExit(
            "PROMETHEUS_MULTIPROC_DIR must name the directory that the server's processes share."
        )
    mark.touch()
    time.sleep(given.wait)


def _mark() -> Path | None:
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(directory) / "draining" if directory else None


if __name__ == "__main__":
    main()
