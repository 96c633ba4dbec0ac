"""What ingest, embedding and search count. No tenant is a label: their number is not bounded."""

from prometheus_client import Counter, Histogram

INGESTED = Counter("memory_messages_ingested", "Messages stored")
INGEST_SECONDS = Histogram(
    "memory_ingest_seconds",
    "Seconds to store the messages of one request",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
QUOTA_REFUSALS = Counter(
    "memory_quota_refusals", "Writes refused for a quota, by what was used up", ["quota"]
)
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
SEARCH_CANDIDATES = Histogram(
    "memory_search_candidates",
    "Messages that a search ranked",
    buckets=(0, 10, 25, 50, 100, 150, 250, 500, 1000, 2500),
)
CONTEXTS_LOST = Counter(
    "memory_contexts_lost",
    "Contexts asked for with a message that could not be built; the message was stored",
)
QUERY_VECTORS = Counter(
    "memory_query_embedding_cache",
    "Queries whose vector was remembered, or asked of the provider",
    ["result"],
)
SEARCH_CACHE = Counter(
    "memory_search_cache",
    "Searches answered from Redis (hit) or made anew (miss; off; unavailable: Redis is down)",
    ["result"],
)
EMBEDDING_CALLS = Counter(
    "memory_embedding_calls",
    "Calls of a provider, by what came of them (ok, or whose fault it was: provider, text, setup)",
    ["provider", "outcome"],
)
EMBEDDING_CALL_SECONDS = Histogram(
    "memory_embedding_call_seconds",
    "Seconds of a call of a provider, failed ones included",
    ["provider"],
    buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60),
)
BREAKER_OPENINGS = Counter(
    "memory_embedding_breaker_openings",
    "Times a provider that kept failing began to be left alone, by whose fault it was",
    ["provider", "fault"],
)
SETUP_FAULTS = Counter(
    "memory_embedding_setup_faults",
    "Calls that no retry helps: key, model or dimensions are wrong. Alert on any",
    ["provider"],
)
FAILOVERS = Counter(
    "memory_embedding_failovers",
    "Calls that went to the second provider, by the first one's fault",
    ["provider", "fault"],
)
EMBEDDING_TOKENS = Counter(
    "memory_embedding_tokens",
    "Tokens embedded by remote providers, reported or estimated",
    ["provider", "model"],
)
EMBEDDING_COST = Counter(
    "memory_embedding_cost_usd",
    "What remote providers' embedding cost, by their list price",
    ["provider", "model"],
)
USAGE_PUT_OFF = Counter(
    "memory_embedding_usage_put_off",
    "Times that what searches spent could not be put on the account; it waits in the process, and is tried again",
)
