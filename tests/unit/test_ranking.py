"""The formula, as tables whose arithmetic stands beside them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memories.ranking import POOL_SIZE, Candidate, Weights, decay, rank

NOW = datetime(2026, 1, 31, tzinfo=UTC)
DEFAULT = Weights(similarity=0.6, importance=0.3, decay=0.1, half_life_days=30)


def candidate(number: int, **terms) -> Candidate:
    terms = {"importance": 0.5, "created_at": NOW} | terms
    return Candidate(id=UUID(int=number), **terms)


def test_the_worked_example():
    """docs/ranking.md works these three by hand."""
    hits = rank(
        [
            # lexical 4/4 = 1, vector (0.8-0.2)/0.6 = 1: relevance 0.4*1 + 0.6*1 = 1
            candidate(1, cosine=0.8, own_bm25=3.0, context_bm25=1.0, created_at=NOW - timedelta(days=30)),
            # lexical 2/4 = 0.5, vector (0.5-0.2)/0.6 = 0.5: relevance 0.5
            candidate(2, cosine=0.5, own_bm25=2.0, importance=1.0),
            # lexical 0, vector 0: relevance 0
            candidate(3, cosine=0.2),
        ],
        weights=DEFAULT,
        now=NOW,
    )
    assert [hit.candidate.id.int for hit in hits] == [1, 2, 3]
    assert [round(hit.score, 6) for hit in hits] == [
        0.8,  # 0.6*1 + 0.3*0.5 + 0.1*0.5
        0.7,  # 0.6*0.5 + 0.3*1 + 0.1*1
        0.25,  # 0.6*0 + 0.3*0.5 + 0.1*1
    ]


@pytest.mark.parametrize(("age_days", "expected"), [(0, 1.0), (30, 0.5), (60, 0.25), (365, 2 ** (-365 / 30))])
def test_decay_halves_every_half_life(age_days, expected):
    assert decay(age_days=age_days, half_life_days=30) == pytest.approx(expected)


def test_a_message_from_the_future_is_as_fresh_as_now():
    [hit] = rank([candidate(1, created_at=NOW + timedelta(hours=5))], weights=DEFAULT, now=NOW)
    assert hit.decay == 1.0


def test_the_named_speaker_gains_three_tenths_of_relevance():
    same = {"cosine": 0.5, "own_bm25": 1.0}
    hits = rank(
        [candidate(1, **same), candidate(2, **same, by_named_speaker=True), candidate(3, cosine=0.1)],
        weights=DEFAULT,
        now=NOW,
    )
    relevance = {hit.candidate.id.int: hit.relevance for hit in hits}
    assert relevance[2] - relevance[1] == pytest.approx(0.3)
    assert hits[0].candidate.id.int == 2


def test_a_pending_message_is_judged_by_its_words():
    hits = rank(
        [candidate(1, own_bm25=4.0), candidate(2, cosine=0.9, own_bm25=1.0), candidate(3, cosine=0.1)],
        weights=DEFAULT,
        now=NOW,
    )
    assert hits[0].candidate.id.int == 1
    assert hits[0].vector is None
    assert hits[0].relevance == 1.0


def test_without_any_vector_words_alone_count():
    hits = rank([candidate(1, own_bm25=1.0), candidate(2, own_bm25=2.0)], weights=DEFAULT, now=NOW)
    assert [hit.relevance for hit in hits] == [1.0, 0.5]


def test_without_any_word_vectors_alone_count():
    hits = rank([candidate(1, cosine=0.1), candidate(2, cosine=0.7)], weights=DEFAULT, now=NOW)
    assert [hit.relevance for hit in hits] == [1.0, 0.0]


def test_only_the_pool_is_ranked():
    """The 51st by relevance is out, however important it is."""
    many = [candidate(n, cosine=1 - n / 100) for n in range(1, POOL_SIZE + 1)]
    hits = rank([*many, candidate(99, cosine=0.01, importance=1.0)], weights=DEFAULT, now=NOW)
    assert len(hits) == POOL_SIZE
    assert 99 not in {hit.candidate.id.int for hit in hits}


def test_nothing_comes_of_nothing():
    assert rank([], weights=DEFAULT, now=NOW) == []


def test_weights_are_brought_to_one():
    doubled = Weights(similarity=1.2, importance=0.6, decay=0.2, half_life_days=30)
    [hit] = rank([candidate(1, cosine=0.5)], weights=doubled, now=NOW)
    assert hit.score == pytest.approx(0.6 + 0.15 + 0.1)


@pytest.mark.parametrize("wrong", [{"similarity": -0.1}, {"half_life_days": 0}, {"half_life_days": -1}])
def test_wrong_weights_are_refused(wrong):
    values = {"similarity": 0.6, "importance": 0.3, "decay": 0.1, "half_life_days": 30} | wrong
    with pytest.raises(ValueError, match="weights"):
        Weights(**values)


def test_three_zeros_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        Weights(similarity=0, importance=0, decay=0, half_life_days=30)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(-1, 1)),
            st.floats(0, 50),
            st.floats(0, 50),
            st.booleans(),
            st.floats(0, 1),
        ),
        max_size=80,
    )
)
def test_scores_lie_between_0_and_1_and_terms_add_up(rows):
    candidates = [
        candidate(
            n,
            cosine=cosine,
            own_bm25=own,
            context_bm25=context,
            by_named_speaker=named,
            importance=importance,
        )
        for n, (cosine, own, context, named, importance) in enumerate(rows)
    ]
    hits = rank(candidates, weights=DEFAULT, now=NOW)
    assert len(hits) == min(len(rows), POOL_SIZE)
    assert hits == sorted(hits, key=lambda hit: (-hit.score, -hit.candidate.id.int))
    for hit in hits:
        assert -1e-9 <= hit.score <= 1 + 1e-9
        terms = 0.6 * hit.similarity + 0.3 * hit.candidate.importance + 0.1 * hit.decay
        assert hit.score == pytest.approx(terms)
