"""Large tenants for tests: what is large, what they say, how they are searched."""

from django.conf import settings

from memories import codebooks, tasks
from memories.models import Centroid, MessageEmbedding
from tests.factories import remember

TOPICS = ("tea", "rain", "Lisbon", "chess", "bread", "trains", "jazz")
QUERIES = ("green tea 7", "rain in Lisbon", "a game of chess", "nothing of that")


def chat(tenant, count: int = 120, **fields):
    """So many embedded messages."""
    texts = [f"{TOPICS[n % 7]} and {TOPICS[n % 5]} number {n}" for n in range(count)]
    messages = remember(tenant, *texts, **fields)
    tasks.drain()
    return messages


def probing(probes: int) -> None:
    """Undone with the `settings` fixture of the test."""
    settings.ENV = settings.ENV.model_copy(update={"probes": probes})


def ids(api, **params) -> list[list[str]]:
    """The best twenty for each query, in no order."""
    found = [
        api.get("/v1/memory/search", query=query, mode="vector", top_k=20, **params).json()["results"]
        for query in QUERIES
    ]
    return [sorted(hit["id"] for hit in hits) for hits in found]


def method(api) -> dict:
    answer = api.get("/v1/memory/search", query="tea", explain="true").json()
    return answer["explain"]["vector_search"]


def buckets(tenant) -> set[int]:
    return set(MessageEmbedding.objects.filter(tenant=tenant).values_list("bucket", flat=True))


def generations(tenant) -> set[int]:
    return {row.bucket // codebooks.GENERATION for row in Centroid.objects.filter(tenant=tenant)}
