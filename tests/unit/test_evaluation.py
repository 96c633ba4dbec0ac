"""The measures, and reading the data set."""

import json
import math
from datetime import UTC, datetime

import pytest

from memories import datasets
from memories.measures import Asked, Report, interval, measure, table

DATA = [
    {
        "sample_id": "made-up",
        "conversation": {
            "speaker_a": "Ida",
            "session_10_date_time": "9:05 am on 2 March, 2024",
            "session_10": [{"speaker": "Ida", "dia_id": "D10:1", "text": "Later."}],
            "session_2_date_time": "1:56 pm on 8 May, 2023",
            "session_2": [
                {"speaker": "Ida", "dia_id": "D2:1", "text": "Look!", "blip_caption": "a red kite"},
                {"role": "assistant", "dia_id": "D2:2", "text": "Nice."},
            ],
        },
        "qa": [
            {"question": "What did Ida show?", "evidence": ["D2:1; D2:9"], "category": 4},
            {"question": "Nothing answers this", "evidence": [], "category": 5},
            {"question": "Who likes it?", "evidence": ["D2:2"], "category": "opinions"},
            {"question": "Which trap is set?", "evidence": ["D2:2"], "category": 5},
        ],
    }
]


def test_measures_by_hand():
    """Evidence at ranks 2 and 7 of two relevant."""
    measures = measure(["x", "a", "x", "x", "x", "x", "b", "x"], frozenset({"a", "b"}))
    assert measures["recall@5"] == 0.5
    assert measures["recall@10"] == 1.0
    assert measures["hit@5"] == 1.0
    assert measures["MRR"] == 0.5
    # (1/log2(3) + 1/log2(8)) / (1/log2(2) + 1/log2(3))
    assert measures["nDCG@10"] == pytest.approx((1 / math.log2(3) + 1 / 3) / (1 + 1 / math.log2(3)))


def test_nothing_found_is_zero():
    assert set(measure([], frozenset({"a"})).values()) == {0.0}


def test_sessions_are_read_in_order(tmp_path):
    path = tmp_path / "data.json"
    path.write_text(json.dumps(DATA))
    [conversation] = datasets.read(path)
    assert [turn.id for turn in conversation.turns] == ["D2:1", "D2:2", "D10:1"]
    assert conversation.turns[0].said_at == datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
    assert conversation.turns[0].text == "Look! [picture: a red kite]"
    assert [question.evidence for question in conversation.questions] == [{"D2:1"}, {"D2:2"}, {"D2:2"}]


def test_roles_and_speakers_may_be_given_or_not():
    first, second, _ = datasets.parse(DATA)[0].turns
    assert (first.role, first.speaker) == ("user", "Ida")
    assert (second.role, second.speaker) == ("assistant", "")


def test_categories_are_numbers_of_locomo_or_names():
    [conversation] = datasets.parse(DATA)
    asked = [(question.category, question.answerable) for question in conversation.questions]
    assert asked == [("single-hop", True), ("opinions", True), ("adversarial", False)]


def test_what_cannot_be_answered_is_not_counted_together():
    results = [_asked("a", 1.0), _asked("adversarial", 0.0, answerable=False)]
    *_, together, _ = table(Report(asked=results))
    assert together.split()[:3] == ["together", "1", "1.000"]


def test_an_interval_holds_the_mean_and_narrows_with_more_questions():
    few, many = ([_asked("a", float(n % 2)) for n in range(count)] for count in (20, 2000))
    (low, high), (lower, higher) = interval(few, "recall@10"), interval(many, "recall@10")
    assert low < 0.5 < high
    assert higher - lower < (high - low) / 5
    assert interval(few, "recall@10") == (low, high)
    assert interval([], "recall@10") == (0.0, 0.0)


def _asked(category: str, value: float, *, answerable: bool = True) -> Asked:
    values = measure(["x"] if value else [], {"x"})
    return Asked(category=category, answerable=answerable, measures=values, milliseconds=1.0)


BAD_ROLE = {
    "conversation": {
        "session_1_date_time": "1:56 pm on 8 May, 2023",
        "session_1": [{"dia_id": "D1:1", "role": "bot", "text": "Hi"}],
    },
    "qa": [],
}
BAD_DATE = {"conversation": {"session_1_date_time": "yesterday", "session_1": []}, "qa": []}


@pytest.mark.parametrize(
    "text", ["{", "[1]", '[{"qa": []}]', "null", json.dumps([BAD_ROLE]), json.dumps([BAD_DATE])]
)
def test_another_format_is_refused(tmp_path, text):
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="LoCoMo"):
        datasets.read(path)
