"""What is refused, repeated and let pass. No tenant is a label: their number is not bounded."""

from prometheus_client import Counter

RATE_REFUSALS = Counter(
    "memory_rate_limit_refusals", "Requests refused for their rate, by budget", ["budget"]
)
RATE_OUTAGES = Counter(
    "memory_rate_limit_outages",
    "Requests that could not be counted because Redis did not answer: let pass, or refused",
    ["outcome"],
)
REPLAYS = Counter(
    "memory_idempotent_replays", "Requests answered with the first answer to their Idempotency-Key"
)
DATABASE_REFUSALS = Counter(
    "memory_rls_refusals",
    "Statements that PostgreSQL refused because of whose rows they concerned, by what they could reach: our mistakes",
    ["reach"],
)
