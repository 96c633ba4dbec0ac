"""GET /v1/memory/search: found at once, filtered hard, ranked by the formula, explained to the last term."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from memories import search, tasks
from memories.embeddings import EmbeddingError, Fault
from memories.models import Message
from tests.factories import remember


def contents(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [hit["content"] for hit in answer.json()["results"]]


def test_it_works(bot, acme):
    remember(acme, "I love Python programming", "The weather is grey today", "My sister lives in Lisbon")
    tasks.drain()
    answer = bot.get("/v1/memory/search", query="Python", top_k=2)
    assert contents(answer)[0] == "I love Python programming"
    assert len(contents(answer)) == 2
    hit = answer.json()["results"][0]
    assert hit["embedding_status"] == "ready"
    assert answer.json()["degraded"] is False
    assert {
        "id",
        "external_id",
        "conversation_id",
        "user_id",
        "role",
        "name",
        "metadata",
        "created_at",
    } <= set(hit)


def test_a_message_is_found_in_the_very_next_request(bot, acme):
    remember(acme, *(f"filler about topic {n}" for n in range(30)))
    tasks.drain()
    bot.post("/v1/messages", {"conversation_id": "c", "role": "user", "content": "The zebra escaped"})
    hit = bot.get("/v1/memory/search", query="zebra").json()["results"][0]
    assert hit["content"] == "The zebra escaped"
    assert hit["embedding_status"] == "pending"


def test_words_are_matched_by_their_stem_and_case(bot, acme):
    remember(acme, "We went HIKING in the mountains", "Nothing of that kind")
    assert contents(bot.get("/v1/memory/search", query="hikes in a mountain", mode="text"))[0].startswith(
        "We went"
    )


def test_the_terms_add_up_to_the_score(bot, acme):
    remember(acme, "I love Python programming", "Python is a snake, too", "unrelated words")
    tasks.drain()
    answer = bot.get("/v1/memory/search", query="Python", explain="true").json()
    for hit in answer["results"]:
        explained = hit["explain"]
        terms = [explained[name] for name in ("similarity", "importance", "decay", "redundancy")]
        assert hit["score"] == pytest.approx(sum(term["weight"] * term["value"] for term in terms))
        total, *signals = explained["relevance"].values()
        assert total == pytest.approx(sum(term["weight"] * (term["value"] or 0) for term in signals))
    [word] = answer["explain"]["words"]
    assert (word["word"], word["messages"]) == ("python", 2)
    assert answer["explain"]["candidates"] == {"by_words": 2, "by_vector": 3, "newest": 3, "total": 3}
    assert set(answer["explain"]["milliseconds"]) >= {"words", "embedding", "candidates", "ranking", "total"}
    assert "explain" not in bot.get("/v1/memory/search", query="Python").json()["results"][0]


def test_scores_fall(bot, acme):
    remember(acme, *(f"python fact number {n} {'more words ' * n}" for n in range(20)))
    scores = [
        hit["score"] for hit in bot.get("/v1/memory/search", query="python fact", top_k=20).json()["results"]
    ]
    assert len(scores) == 20
    assert scores == sorted(scores, reverse=True)


def test_importance_and_age_decide_between_equals(bot, acme):
    now = timezone.now()
    remember(acme, "I like green tea mornings", importance=0.2, created_at=now)
    remember(acme, "I like green tea evenings", importance=0.9, created_at=now - timedelta(days=1))
    remember(acme, "I like green tea weekends", importance=0.2, created_at=now - timedelta(days=300))
    found = bot.get("/v1/memory/search", query="green tea").json()["results"]
    assert [hit["importance"] for hit in found] == [0.9, 0.2, 0.2]
    assert found[1]["created_at"] > found[2]["created_at"]


OLD, USUAL, NEW = (datetime(2023, month, 1, tzinfo=UTC) for month in (6, 11, 12))
LAMPS = {
    "in a": {"conversation": "a"},
    "of u1": {"user_id": "u1"},
    "by bot-9": {"agent_id": "bot-9"},
    "said by assistant": {"role": "assistant"},
    "from web": {"metadata": {"channel": "web"}},
    "on floor 3": {"metadata": {"floor": 3}},
    "open": {"metadata": {"open": True}},
    "old": {"created_at": OLD},
    "new": {"created_at": NEW},
}
FILTERED = [
    ({"conversation_id": "a"}, {"in a"}),
    ({"user_id": "u1"}, {"of u1"}),
    ({"agent_id": "bot-9"}, {"by bot-9"}),
    ({"role": "assistant"}, {"said by assistant"}),
    ({"since": "2023-12-01T00:00:00Z"}, {"new"}),
    ({"until": "2023-12-01T00:00:00Z"}, set(LAMPS) - {"new"}),
    ({"since": "2023-06-01T00:00:00Z", "until": "2023-06-01T00:00:01Z"}, {"old"}),
    ({"metadata.channel": "web"}, {"from web"}),
    ({"metadata.floor": "3"}, {"on floor 3"}),
    ({"metadata.open": "true"}, {"open"}),
    ({"metadata.channel": "web", "role": "assistant"}, set()),
    ({"conversation_id": "nowhere"}, set()),
]


@pytest.mark.parametrize("mode", search.MODES)
@pytest.mark.parametrize(("params", "expected"), FILTERED)
def test_filters_are_hard(bot, acme, params, expected, mode):
    for what, fields in LAMPS.items():
        remember(acme, f"lamp {what}", **{"created_at": USUAL} | fields)
    tasks.drain()
    found = contents(bot.get("/v1/memory/search", query="lamp", mode=mode, top_k=50, **params))
    assert {text.removeprefix("lamp ") for text in found} == expected
    assert len(found) == len(expected)


def test_a_filter_never_shortens_the_answer(bot, acme):
    """Filters come before the ranking: ten matching messages among three hundred better ones are all found."""
    remember(acme, *(f"green tea number {n}" for n in range(300)), conversation="loud")
    remember(acme, *(f"some tea {n}" for n in range(10)), conversation="quiet")
    tasks.drain()
    answer = bot.get("/v1/memory/search", query="green tea number 7", conversation_id="quiet", top_k=10)
    assert len(contents(answer)) == 10


def test_the_answer_is_full_where_nothing_matches_by_word(bot, acme):
    remember(acme, *(f"message {n}" for n in range(20)))
    tasks.drain()
    assert len(contents(bot.get("/v1/memory/search", query="completely different", top_k=10))) == 10


def test_a_hundred_hits_are_a_hundred(bot, acme):
    remember(acme, *(f"message number {n}" for n in range(120)))
    tasks.drain()
    assert len(contents(bot.get("/v1/memory/search", query="message number", top_k=100))) == 100
    assert len(contents(bot.get("/v1/memory/search", query="no word in common", top_k=100))) == 100


def test_the_turn_beside_a_match_is_found(bot, acme):
    """The answer to a question often shares no word with it."""
    remember(acme, *(f"chatter {n}" for n in range(40)), "What is your dog called?", "Rex!", "chatter again")
    assert "Rex!" in contents(bot.get("/v1/memory/search", query="dog called", mode="text", top_k=3))


def test_another_session_lends_nothing(bot, acme):
    now = timezone.now()
    remember(acme, "What is your dog called?", created_at=now - timedelta(days=2))
    remember(acme, "Rex!", created_at=now)
    assert contents(bot.get("/v1/memory/search", query="dog called", mode="text")) == [
        "What is your dog called?"
    ]


def test_the_named_speaker_comes_first(bot, acme):
    remember(acme, "I went hiking last week", name="Tom")
    remember(acme, "I went hiking last week", name="Ann Smith")
    tasks.drain()
    answer = bot.get("/v1/memory/search", query="When did Ann go hiking?", mode="text", explain="true").json()
    assert answer["explain"]["speakers"] == ["ann"]
    assert [hit["name"] for hit in answer["results"]] == ["Ann Smith", "Tom"]


@pytest.mark.parametrize("fault", list(Fault))
def test_a_failing_provider_leaves_search_by_words(bot, acme, monkeypatch, fault):
    def refuse(texts, identity):
        raise EmbeddingError("down", fault=fault)

    remember(acme, "I love Python programming")
    monkeypatch.setattr(search, "embed", refuse)
    answer = bot.get("/v1/memory/search", query="Python")
    assert contents(answer) == ["I love Python programming"]
    assert answer.json()["degraded"] is True
    assert "down" in answer.json()["degraded_reason"]


def test_another_model_in_the_settings_changes_nothing_until_the_switch(bot, acme, settings):
    remember(acme, "I love Python programming")
    tasks.drain()
    settings.ENV = settings.ENV.model_copy(update={"embedding_model": "another", "embedding_dimensions": 64})
    answer = bot.get("/v1/memory/search", query="Python", mode="vector")
    assert contents(answer) == ["I love Python programming"]
    assert answer.json()["degraded"] is False


def test_a_tenant_has_its_own_weights(bot, acme):
    remember(acme, "green tea", importance=0.0)
    remember(acme, "tea and many other things to drink", importance=1.0)
    assert contents(bot.get("/v1/memory/search", query="green tea", mode="text"))[0] == "green tea"
    acme.similarity_weight, acme.importance_weight, acme.decay_weight = 0.0, 1.0, 0.0
    acme.save()
    assert contents(bot.get("/v1/memory/search", query="green tea", mode="text"))[0].startswith("tea and")


STRANGE = [
    "'; DROP TABLE memories_message; --",
    "a & b | !c <-> (d) :* '",
    "\\ \\' %s %(x)s {0} $1",
    "the of and",
    "???",
    "🧠",
    "x" * 3000,
    "word " * 1500,
    "~t1",
    "日本語の検索",
]


@pytest.mark.parametrize("query", STRANGE)
def test_any_text_is_only_text(bot, acme, query):
    remember(acme, "I love Python programming", query)
    tasks.drain()
    assert len(contents(bot.get("/v1/memory/search", query=query))) == 2
    assert Message.objects.count() == 2


def test_an_empty_memory_answers_with_nothing(bot):
    assert contents(bot.get("/v1/memory/search", query="anything")) == []


def test_nobody_finds_what_others_said(bot, outsider, acme, globex):
    remember(acme, "the secret of acme")
    remember(globex, "the secret of globex")
    tasks.drain()
    for mode in search.MODES:
        assert contents(outsider.get("/v1/memory/search", query="secret", mode=mode)) == [
            "the secret of globex"
        ]


def test_searching_needs_few_queries(bot, acme, django_assert_max_num_queries):
    remember(acme, *(f"message {n}" for n in range(50)))
    tasks.drain()
    bot.get("/v1/memory/search", query="message")
    with django_assert_max_num_queries(5):
        bot.get("/v1/memory/search", query="message", top_k=50)
