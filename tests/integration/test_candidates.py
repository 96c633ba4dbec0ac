"""Where candidates come from: full answers whatever is stored, copies counted once, statistics kept true."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from memories import ingest, lexical, lexicon, search, tasks
from memories.models import Corpus, TermChange, TermStatistic
from tenants import isolation
from tests.factories import remember

PATH = "/v1/memory/search"


def ask(api, **params):
    answer = api.get(PATH, **params)
    assert answer.status_code == 200, answer.content
    return answer.json()


def contents(answer) -> list[str]:
    return [hit["content"] for hit in answer["results"]]


def counts(tenant) -> dict[str, int]:
    return dict(TermStatistic.objects.filter(tenant=tenant).values_list("term", "messages"))


def test_messages_without_vectors_and_words_fill_up(bot, acme):
    """Nothing is embedded yet, and no word matches: the newest are better than nothing."""
    remember(acme, *(f"message {n}" for n in range(12)))
    answer = ask(bot, query="entirely different", top_k=10, explain="true")
    assert len(answer["results"]) == 10
    assert answer["explain"]["candidates"]["newest"] > 0
    assert ask(bot, query="entirely different", top_k=10, mode="text")["results"] == []


@pytest.mark.parametrize("top_k", [1, 5, 20, 100])
@pytest.mark.parametrize("mode", ["hybrid", "vector"])
def test_every_answer_is_full(bot, acme, top_k, mode):
    remember(acme, *(f"note {n} on topic {n % 7}" for n in range(60)))
    tasks.drain()
    assert len(ask(bot, query="topic 3", top_k=top_k, mode=mode)["results"]) == min(top_k, 60)


def test_copies_of_a_text_are_one_hit_with_their_ids(bot, acme):
    copies = remember(acme, *["Please confirm your email"] * 30, role="assistant")
    remember(acme, "Please confirm your flight", "My email is new")
    tasks.drain()
    results = ask(bot, query="confirm email", top_k=3)["results"]
    assert [hit["content"] for hit in results].count("Please confirm your email") == 1
    assert len(results) == 3
    [hit] = [hit for hit in results if hit["duplicates"]]
    assert {hit["id"], *hit["duplicates"]} <= {str(copy.id) for copy in copies}


def test_a_thousand_copies_do_not_hide_the_rest(bot, acme):
    """More copies than candidates are gathered at first: it is gathered again, wider."""
    for _ in range(4):
        remember(acme, *["tea time"] * 100)
    remember(acme, "tea with milk", "tea without sugar", "no tea today")
    tasks.drain()
    assert len(ask(bot, query="tea time", top_k=4)["results"]) == 4


def test_the_same_words_of_two_people_are_two_messages(bot, acme):
    remember(acme, "I agree", name="Ann")
    remember(acme, "I agree", name="Tom")
    tasks.drain()
    assert {hit["name"] for hit in ask(bot, query="who agrees?")["results"]} == {"Ann", "Tom"}


def test_what_says_nearly_the_same_makes_way(bot, acme):
    remember(
        acme,
        "Reminder: the quarterly report for the board is due this Friday at noon, one",
        "Reminder: the quarterly report for the board is due this Friday at noon, two",
        "The board reads the quarterly report every Friday over there in the green room by the lake",
        *(f"something else, number {n}" for n in range(20)),
    )
    tasks.drain()
    answer = ask(bot, query="quarterly report board Friday", top_k=3, explain="true")
    assert contents(answer)[1].startswith("The board reads")
    redundant = [hit["explain"]["redundancy"]["value"] > 0 for hit in answer["results"]]
    assert redundant == [False, False, True]


def test_the_time_that_a_question_mentions_counts(bot, acme):
    for month in (3, 5, 9):
        remember(acme, f"We went hiking, trip {month}", created_at=datetime(2023, month, 10, tzinfo=UTC))
    tasks.drain()
    answer = ask(bot, query="Where did we go hiking in May 2023?", explain="true")
    assert contents(answer)[0] == "We went hiking, trip 5"
    assert answer["explain"]["mentioned_time"] == {
        "first": "2023-05-01",
        "last": "2023-05-31",
        "any_year": False,
    }


def test_yesterday_is_counted_from_the_moment_asked_about(bot, acme):
    moment = datetime(2024, 6, 15, 12, tzinfo=UTC)
    for days in (1, 90):
        remember(acme, f"dinner number {days}", created_at=moment - timedelta(days=days))
    tasks.drain()
    answer = ask(bot, query="dinner yesterday", as_of=moment.isoformat(), explain="true")
    assert contents(answer)[0] == "dinner number 1"
    assert answer["explain"]["mentioned_time"]["first"] == "2024-06-14"


@pytest.mark.parametrize(("text", "tf"), [("tea", 1), ("tea tea", 2), ("tea tea tea", 3), ("tea " * 7, 7)])
def test_term_frequency_is_read_exactly_from_the_index_document(bot, acme, text, tf):
    """BM25 by hand: idf = ln(1 + 0.5/1.5) for the only document; length equals the mean, so tf * 2.2 / (tf + 1.2)."""
    remember(acme, text)
    tasks.drain()
    [hit] = ask(bot, query="tea", mode="text", explain="true")["results"]
    assert hit["explain"]["own_bm25"] == pytest.approx(0.2876820724517809 * tf * 2.2 / (tf + 1.2))


def test_a_rare_word_decides_over_a_common_one(bot, acme):
    """Statistics of the tenant: `lamp` is everywhere, `zebra` in one. A match of both words finds the zebra first."""
    remember(acme, *(f"the lamp of room {n}" for n in range(40)), "a zebra")
    tasks.drain()
    assert contents(ask(bot, query="zebra lamp", mode="text"))[0] == "a zebra"


def test_statistics_follow_stores_edits_and_deletions(bot, acme):
    first, second = remember(acme, "I love tea", "I love coffee and tea")
    lexicon.fold_all()
    assert counts(acme) == {"love": 2, "tea": 2, "coffe": 1}
    ingest.edit(tenant=acme, message_id=first.id, changes={"content": "I hate rain"})
    ingest.edit(tenant=acme, message_id=first.id, changes={"pinned": True})
    lexicon.fold_all()
    assert counts(acme) == {"love": 1, "tea": 1, "coffe": 1, "hate": 1, "rain": 1}
    ingest.delete(tenant=acme, message_id=second.id)
    lexicon.fold_all()
    assert counts(acme) == {"hate": 1, "rain": 1}
    corpus = Corpus.objects.get(tenant=acme)
    assert (corpus.messages, corpus.words) == (1, 3)


def test_a_word_that_is_not_counted_yet_is_found_at_once(bot, acme):
    remember(acme, "the xylophone")
    assert TermChange.objects.count() == 1
    assert contents(ask(bot, query="xylophone", mode="text")) == ["the xylophone"]


def test_changes_are_counted_in_chunks_and_once(acme, globex):
    remember(acme, *(f"word{n} common" for n in range(5)))
    remember(globex, "common")
    assert [lexicon.fold(chunk=4), lexicon.fold(chunk=4), lexicon.fold(chunk=4)] == [4, 2, 0]
    assert counts(acme)["common"] == 5
    assert counts(globex) == {"common": 1}


def test_a_deleted_tenant_leaves_no_words(acme, globex):
    remember(acme, "the secret word")
    remember(globex, "another")
    lexicon.fold_all()
    remember(acme, "and one that is not counted")
    acme.delete()
    lexicon.fold_all()
    assert list(TermStatistic.objects.values_list("term", flat=True)) == ["anoth"]
    assert not TermChange.objects.exists()


def test_a_name_that_nobody_has_is_a_word_like_any_other(bot, acme):
    remember(acme, "I saw Ann in Rome", name="Tom")
    tasks.drain()
    answer = ask(bot, query="Where was Ann?", mode="text", explain="true")
    assert [word["word"] for word in answer["explain"]["words"]] == ["ann"]
    assert answer["explain"]["speakers"] == []


@pytest.mark.parametrize("analyzed", [False, True])
def test_no_plan_compares_every_row_with_every_other(acme, analyzed):
    """Whether or not the tables have statistics: no statement of a search joins by comparing rows,
    but with the handful of embedding spaces."""
    remember(acme, *(f"tea number {n}" for n in range(300)), created_at=timezone.now())
    tasks.drain()
    with connection.cursor() as cursor:
        if analyzed:
            cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as captured:
        search.search(tenant=acme, text="tea number", top_k=5)
    statements = [query for query in captured.captured_queries if "params" in query]
    assert len(statements) == 5
    with psycopg.Cursor(connection.connection) as cursor:
        for statement in statements:
            cursor.execute(f"EXPLAIN {statement['sql']}".encode(), statement["params"])
            plan = [line for (line,) in cursor.fetchall()]
            joins = [
                condition for line, condition in pairwise(plan) if "Hash Join" in line or "Merge Join" in line
            ]
            assert not [condition for condition in joins if "space.id" not in condition], plan
            assert all("space.id" in line for line in plan if "Join Filter" in line), plan


def test_where_only_words_can_fill_the_answer_all_of_them_look(bot, acme, monkeypatch):
    monkeypatch.setattr(lexical, "MATCHES", 5)
    remember(acme, *(f"the lamp of room {n}" for n in range(40)), "a zebra")
    tasks.drain()
    found = contents(ask(bot, query="zebra lamp", mode="text", top_k=20))
    assert found[0] == "a zebra"
    assert len(found) == 20


def test_where_the_rarest_word_is_common_two_words_together_find_first(bot, acme, monkeypatch):
    """Only ten rows are scored: without the pair, any ten of forty."""
    monkeypatch.setattr(lexical, "MATCHES_AT_MOST", 10)
    for word in ("lamp", "zebra"):
        for number in range(20):
            remember(acme, f"a {word} {number}", conversation=f"{word} {number}")
    remember(acme, "the zebra under the lamp", conversation="both")
    tasks.drain()
    assert contents(ask(bot, query="zebra lamp", mode="text"))[0] == "the zebra under the lamp"


def test_where_the_rarest_words_are_common_those_that_hold_most_of_them_find_first(bot, acme, monkeypatch):
    """Ten rows are scored, of twenty with any two of the words."""
    monkeypatch.setattr(lexical, "MATCHES_AT_MOST", 10)
    for two in ("lamp zebra", "zebra piano", "piano lamp"):
        for number in range(20):
            remember(acme, f"{two} {number}", conversation=f"{two} {number}")
    remember(acme, "piano, zebra, lamp", conversation="all")
    tasks.drain()
    first = contents(ask(bot, query="zebra piano lamp", mode="text"))[0]
    assert first == "piano, zebra, lamp"


def test_tenants_whose_words_have_the_same_hash_stay_apart(bot, acme, globex):
    with isolation.reaching(isolation.LOGIN), connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE OR REPLACE FUNCTION memories_terms(tenant_id bigint, words text[]) RETURNS bigint[]
            LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT ARRAY(SELECT 7::bigint FROM unnest(words)) $$
            """
        )
    remember(globex, "the zebra of globex")
    remember(acme, "the zebra of acme", "no such animal")
    found = contents(ask(bot, query="zebra", mode="text"))
    assert found[0] == "the zebra of acme"
    assert "the zebra of globex" not in found


def test_words_are_looked_up_in_the_index_however_common_they_are(bot, acme):
    remember(acme, *(f"the lamp of room {n}" for n in range(300)))
    tasks.drain()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE memories_message")
    with CaptureQueriesContext(connection) as captured:
        ask(bot, query="lamp", mode="text", top_k=1)
    look = next(query for query in captured.captured_queries if "memories_terms(" in query["sql"])
    with psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(f"EXPLAIN {look['sql']}".encode(), look["params"])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Bitmap Index Scan on message_terms" in plan


@pytest.mark.parametrize("few", [0, 1000])
def test_few_that_pass_a_filter_are_read_and_of_many_the_index(bot, acme, monkeypatch, few):
    monkeypatch.setattr(lexical, "FEW", few)
    remember(acme, *(f"the lamp of room {n}" for n in range(20)), conversation="one")
    remember(acme, "a lamp elsewhere", "a lamp and a zebra", conversation="two")
    tasks.drain()
    answer = ask(bot, query="zebra lamp", mode="text", top_k=20, conversation_id="two")
    assert contents(answer) == ["a lamp and a zebra", "a lamp elsewhere"]
