"""A term of the ranking is in all places that must know it: whoever adds one is told which are left."""

from datetime import UTC, datetime

from memories.ranking import Weights, rank, terms
from memories.relevance import Candidate, Candidates, Signals, signal_terms
from memories.search_serializers import ExplainOut, RelevanceOut
from tests.benchmarks.ablation import ROWS

NOW = datetime(2026, 11, 25, tzinfo=UTC)
WEIGHTS = Weights(similarity=0.6, importance=0.3, decay=0.1, half_life_days=30)
ONE = Candidate(
    id="1", conversation_id="c", created_s=NOW.timestamp(), importance=0.5, word_count=3, own_bm25=1.0
)
[HIT] = rank(Candidates(*([value] for value in ONE)), weights=WEIGHTS, now=NOW).hits


def test_every_signal_has_a_term_and_every_term_a_signal():
    assert set(signal_terms(HIT.relevance)) == set(vars(Signals())) - {"lexical_context"}


def test_the_schema_describes_the_terms_of_the_relevance():
    assert set(RelevanceOut().fields) == {"total", *signal_terms(HIT.relevance)}


def test_the_schema_describes_the_terms_of_the_score():
    assert set(ExplainOut().fields) >= set(terms(HIT, weights=WEIGHTS))


def test_the_benchmark_turns_every_signal_off():
    off = {
        name
        for row in ROWS
        for name, value in vars(row.keywords.get("signals", Signals())).items()
        if not value
    }
    whole = {"lexical", "vector"}  # of these the rows without words and without vectors
    assert off >= set(vars(Signals())) - whole
