"""The benchmarks' short way into the tables leaves what ingest would leave."""

import pytest
from django.db import connection

from memories.models import Message, MessageEmbedding
from tests.benchmarks import bulk, topical


@pytest.mark.django_db(transaction=True)
def test_what_is_copied_is_found_by_words_and_by_vector(operator):
    bulk.load(connection.connection.info.dsn, {"large": 60, "small": 20}, seed=1)
    assert Message.objects.count() == MessageEmbedding.objects.count() == 80
    for row in list(topical.messages(60, seed=1))[:5]:
        for mode in ("text", "vector"):
            answer = operator.get(
                "/v1/memory/search", tenant_id="large", query=row["content"], top_k=1, mode=mode
            ).json()
            [hit] = answer["results"]
            assert (hit["content"], hit["embedding_status"]) == (row["content"], "ready")
            assert (hit["metadata"], hit["user_id"]) == (row["metadata"], row["user_id"])
