"""What retention counts. No tenant is a label: their number is not bounded."""

from prometheus_client import Counter

RUNS = Counter(
    "memory_retention_runs",
    "Retention runs that ended, by what started them and how they ended",
    ["trigger", "status"],
)
ROWS = Counter(
    "memory_retention_rows",
    "Messages moved by retention (archive, delete, delete_archived, purge, restore, undelete)",
    ["action"],
)
