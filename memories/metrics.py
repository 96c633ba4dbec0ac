"""What ingest, embedding and search count. No tenant is a label: their number is not bounded."""

from prometheus_client import Counter, Histogram

INGESTED = Counter("memory_messages_ingested", "Messages stored")
EMBEDDED = Counter("memory_messages_embedded", "Vectors stored")
EMBEDDING_FAILURES = Counter(
    "memory_embedding_failures", "Failed provider calls by whose fault it was", ["fault"]
)
HINTS_LOST = Counter("memory_embedding_hints_lost", "Hints that could not be sent; the sweeper takes over")
SEARCHES = Counter("memory_searches", "Searches", ["mode", "degraded"])
SEARCH_SECONDS = Histogram(
    "memory_search_seconds",
    "Seconds of a search by stage",
    ["stage"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
