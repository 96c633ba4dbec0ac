"""The formula, as tables whose arithmetic stands beside them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memories.ranking import POOL_SIZE, Weights, decay, demoted, in_order, rank, terms
from memories.relevance import Candidate, Candidates, signal_terms

NOW = datetime(2026, 1, 31, tzinfo=UTC)
DEFAULT = Weights(similarity=0.6, importance=0.3, decay=0.1, half_life_days=30)


def candidate(number: int, **known) -> Candidate:
    """Each in a conversation of its own, so that sessions and neighbours say nothing unless they are asked to."""
    said_at = known.pop("said_at", NOW)
    usual = {
        "conversation_id": f"c{number:03}",
        "importance": 0.5,
        "word_count": 10,
        "created_s": said_at.timestamp(),
        "fingerprint": number,
    }
    return Candidate(id=f"{number:03}", **usual | known)


def ids(ranked) -> list[int]:
    return [int(hit.candidate.id) for hit in ranked.hits]


def ranking(candidates, **others):
    """By the default weights, now."""
    return rank(Candidates(*zip(*candidates, strict=True)), **{"weights": DEFAULT, "now": NOW} | others)


def test_the_worked_example():
    """docs/ranking.md works these three by hand."""
    ago = NOW - timedelta(days=30)
    ranked = ranking(
        [
            candidate(1, own_bm25=4.0, cosine=0.8, said_at=ago, conversation_id="ab"),
            candidate(2, cosine=0.5, importance=1.0, said_at=ago, conversation_id="ab"),
            candidate(3, own_bm25=1.0, cosine=0.2),
        ],
        followers={0: 1},
    )
    first, second, third = (hit.relevance for hit in ranked.hits)
    assert (first.lexical, second.lexical, third.lexical) == (1.0, 0.5, 0.25)
    assert (first.vector, second.vector, third.vector) == pytest.approx((1.0, 0.5, 0.0))
    assert (first.vector_context, second.vector_context) == pytest.approx((1.0, 0.7083), abs=1e-4)
    assert (first.session, second.session, third.session) == pytest.approx((1.0, 1.0, 0.125))
    assert (first.total, second.total, third.total) == pytest.approx((1.3, 0.8521, 0.1625), abs=1e-4)
    assert ids(ranked) == [1, 2, 3]
    assert [round(hit.score, 2) for hit in ranked.hits] == [0.8, 0.71, 0.25]


@pytest.mark.parametrize(("age_days", "expected"), [(0, 1.0), (30, 0.5), (60, 0.25), (365, 2 ** (-365 / 30))])
def test_decay_halves_every_half_life(age_days, expected):
    assert decay(age_days=age_days, half_life_days=30) == pytest.approx(expected)


def test_a_message_from_the_future_is_as_fresh_as_now():
    [hit] = ranking([candidate(1, said_at=NOW + timedelta(hours=5))]).hits
    assert hit.decay == 1.0


def test_only_the_pool_is_ranked_and_the_rest_is_known():
    """The 51st by relevance is out, however important it is."""
    many = [candidate(n, cosine=1 - n / 100) for n in range(1, POOL_SIZE + 1)]
    ranked = ranking([*many, candidate(99, cosine=0.01, importance=1.0)])
    assert len(ranked.hits) == POOL_SIZE
    assert 99 not in ids(ranked)
    assert [one.id for _, one in ranked.beyond] == ["099"]


def test_nothing_comes_of_nothing():
    assert ranking([]).hits == []


def test_the_same_text_counts_once_and_the_more_important_stands_for_it():
    ranked = ranking(
        [
            candidate(1, cosine=0.5, fingerprint=7),
            candidate(2, cosine=0.5, fingerprint=7, importance=0.9),
            candidate(3, cosine=0.1),
            candidate(4, cosine=0.4, fingerprint=7),
        ],
    )
    assert ids(ranked) == [2, 3]
    assert ranked.hits[0].duplicates == ("001", "004")


def test_a_repeat_loses_half_of_its_similarity():
    """0.6*1 + 0.3*0.5 + 0.1*1 = 0.85, less 0.5 * 0.6*1 = 0.55: behind 0.6*0.75 + 0.25 = 0.7."""
    hits = ranking(
        [candidate(1, cosine=0.9), candidate(2, cosine=0.7), candidate(3, cosine=0.1)],
    ).hits
    moved = demoted(hits[0], weights=DEFAULT)
    assert moved.score == pytest.approx(0.55)
    assert [hit.candidate.id for hit in in_order([moved, *hits[1:]])] == ["002", "001", "003"]
    assert sum(term.weight * term.value for term in terms(moved, weights=DEFAULT).values()) == pytest.approx(
        0.55
    )


def test_weights_are_brought_to_one():
    doubled = Weights(similarity=1.2, importance=0.6, decay=0.2, half_life_days=30)
    [hit] = ranking([candidate(1, cosine=0.5)], weights=doubled).hits
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
            st.booleans(),
            st.floats(0, 1),
            st.integers(0, 3),
            st.integers(0, 300),
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
            by_named_speaker=named,
            importance=importance,
            conversation_id=f"c{conversation}",
            word_count=words,
        )
        for n, (cosine, own, named, importance, conversation, words) in enumerate(rows)
    ]
    followers = {n: n + 1 for n in range(len(rows) - 1)}
    hits = ranking(candidates, followers=followers).hits
    assert len(hits) == min(len(rows), POOL_SIZE)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        assert -1e-9 <= hit.score <= 1 + 1e-9
        added = sum(term.weight * term.value for term in terms(hit, weights=DEFAULT).values())
        assert hit.score == pytest.approx(added)
        signals = signal_terms(hit.relevance).values()
        assert hit.relevance.total == pytest.approx(sum(each.weight * (each.value or 0) for each in signals))
