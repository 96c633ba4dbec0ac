"""`make chaos`: the long fault runs. `python -m tests.faults [messages]`."""

import sys

from tests.faults import erasures, runs

if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    runs.bad_provider(count, fault_share=0.2)
    runs.slow_provider(count, workers=1, latency_seconds=0.05)
    runs.slow_provider(count, workers=4, latency_seconds=0.05)
    runs.redis_kills(count, kills=5)
    runs.worker_kills(count, kills=50)
    erasures.long_run(count, races=100)
    runs.retention_kills(6 * count, kills=20)
