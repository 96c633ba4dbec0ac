"""The measures, and reading the data set."""

import json
import math
from datetime import UTC, datetime

import pytest

from memories import locomo
from memories.evaluation import measure

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
                {"speaker": "Tom", "dia_id": "D2:2", "text": "Nice."},
            ],
        },
        "qa": [
            {"question": "What did Ida show?", "evidence": ["D2:1; D2:9"], "category": 4},
            {"question": "Nothing answers this", "evidence": [], "category": 5},
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
    [conversation] = locomo.read(path)
    assert [turn.id for turn in conversation.turns] == ["D2:1", "D2:2", "D10:1"]
    assert conversation.turns[0].said_at == datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
    assert conversation.turns[0].text == "Look! [picture: a red kite]"
    [question] = conversation.questions
    assert question.evidence == {"D2:1"}


@pytest.mark.parametrize("text", ["{", "[1]", '[{"qa": []}]', "null"])
def test_another_format_is_refused(tmp_path, text):
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="LoCoMo"):
        locomo.read(path)
