"""The signals, one by one."""

from dataclasses import replace
from datetime import date

import pytest

from memories.mentioned_time import Span
from memories.relevance import SESSION_GAP_HOURS, Candidate, Candidates, Relevances, Signals

DAY_S = 86400.0


def candidate(number: int, **known) -> Candidate:
    usual = {"conversation_id": f"c{number}", "importance": 0.5, "word_count": 10, "created_s": 0.0}
    return Candidate(id=str(number), **usual | known)


def found(*candidates, followers=None, signals=None, span=None) -> list:
    known = Candidates(*zip(*candidates, strict=True))
    relevances = Relevances(known, followers or {}, signals=signals or Signals(), span=span)
    return [relevances.at(place) for place in range(len(candidates))]


def test_a_match_lends_to_the_two_turns_on_each_side():
    """The match has 4: 4, its neighbours 2 and 1 of that, over the best."""
    turns = [candidate(n, own_bm25=4.0 if n == 2 else 0.0) for n in range(5)]
    followers = {n: n + 1 for n in range(4)}
    assert [each.lexical for each in found(*turns, followers=followers)] == [0.25, 0.5, 1.0, 0.5, 0.25]


def test_neighbours_of_a_seed_lend_to_each_other():
    turns = [candidate(1, own_bm25=4.0), candidate(2), candidate(3)]
    assert found(*turns, followers={0: 1, 1: 2})[2].context_bm25 == 1.0


@pytest.mark.parametrize(("words", "lent"), [(110, 2.0), (111, 0.0)])
def test_long_messages_neither_lend_nor_take(words, lent):
    turns = [candidate(1, own_bm25=4.0), candidate(2, word_count=words)]
    assert found(*turns, followers={0: 1})[1].context_bm25 == lent


def test_without_neighbours_the_vector_s_context_is_the_vector():
    for each in found(candidate(1, cosine=0.9), candidate(2, cosine=0.3), candidate(3, cosine=0.1)):
        assert each.vector_context == pytest.approx(each.vector)


def test_a_near_turn_before_lifts_the_one_after_it():
    turns = [candidate(1, cosine=0.9), candidate(2, cosine=0.2), candidate(3, cosine=0.2)]
    after, apart = found(*turns, followers={0: 1})[1:]
    assert after.vector == apart.vector == 0.0
    assert after.vector_context > apart.vector_context == 0.0


def test_the_named_speaker_gains_three_tenths():
    same = {"cosine": 0.5, "own_bm25": 1.0}
    one, named, _ = found(
        candidate(1, **same),
        candidate(2, **same, by_named_speaker=True),
        candidate(3, cosine=0.1),
        signals=Signals(session=0),
    )
    assert named.total - one.total == pytest.approx(0.3)


def test_a_pending_message_is_judged_by_its_words():
    first, *_ = found(
        candidate(1, own_bm25=4.0),
        candidate(2, cosine=0.9, own_bm25=1.0),
        candidate(3, cosine=0.1),
        signals=Signals(session=0),
    )
    assert first.vector is None
    assert first.total == 1.0


def test_without_any_vector_words_alone_count():
    totals = [
        each.total
        for each in found(candidate(1, own_bm25=1.0), candidate(2, own_bm25=2.0), signals=Signals(session=0))
    ]
    assert totals == [0.5, 1.0]


def test_without_any_word_vectors_alone_count():
    totals = [
        each.total
        for each in found(candidate(1, cosine=0.1), candidate(2, cosine=0.7), signals=Signals(session=0))
    ]
    assert totals == [0.0, 1.0]


def test_a_good_message_lifts_its_session():
    hour = 3600.0
    turns = [
        candidate(1, conversation_id="c", own_bm25=4.0),
        candidate(2, conversation_id="c", created_s=SESSION_GAP_HOURS * hour),
        candidate(3, conversation_id="c", created_s=2 * SESSION_GAP_HOURS * hour + 1),
        candidate(4, conversation_id="other"),
    ]
    assert [each.session for each in found(*turns)] == [1.0, 1.0, 0.0, 0.0]


def test_a_long_message_makes_no_session():
    turns = [
        candidate(1, conversation_id="c", own_bm25=4.0, word_count=121),
        candidate(2, conversation_id="c"),
        candidate(3, own_bm25=1.0),
    ]
    assert [each.session for each in found(*turns)] == [0.0, 0.0, 1.0]


def test_what_was_said_at_the_mentioned_time_gains():
    """10 days after the span: e^-1."""
    span = Span(date(1970, 1, 1), date(1970, 1, 2))
    inside, near, far = found(
        candidate(1, created_s=DAY_S),
        candidate(2, created_s=11 * DAY_S),
        candidate(3, created_s=400 * DAY_S),
        span=span,
    )
    assert inside.time == 1.0
    assert near.time == pytest.approx(0.3679, abs=1e-4)
    assert far.time < 1e-9


@pytest.mark.parametrize("name", ["lexical", "vector", "vector_context", "speaker", "time", "session"])
def test_each_signal_can_be_turned_off(name):
    turns = [
        candidate(1, conversation_id="c", own_bm25=4.0, cosine=0.9, by_named_speaker=True),
        candidate(2, conversation_id="c", own_bm25=1.0, cosine=0.2, created_s=3 * DAY_S),
        candidate(3, cosine=0.5, created_s=90 * DAY_S),
    ]
    usual = {"followers": {0: 1}, "span": Span(date(1970, 1, 1), date(1970, 1, 1))}
    on, off = found(*turns, **usual), found(*turns, **usual, signals=replace(Signals(), **{name: 0.0}))
    assert [each.total for each in on] != pytest.approx([each.total for each in off])


def test_nothing_comes_of_nothing():
    assert found() == []
