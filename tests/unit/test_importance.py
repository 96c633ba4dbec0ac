"""The formula of importance, a row a signal, with the arithmetic beside it."""

import pytest

from memories.importance import count_words, score


@pytest.mark.parametrize(
    ("role", "content", "expected"),
    [
        ("user", "The weather over there is grey and damp", 0.5),  # no signal
        ("user", "Thanks a lot", 0.3),  # 0.5 - 0.2 short
        ("user", "Could somebody tell people what the weather does there?", 0.4),  # 0.5 - 0.1 question
        ("user", "I moved to Lisbon with my sister last spring", 0.6),  # 0.5 + 0.1 personal fact
        ("user", "I love Python programming", 0.4),  # 0.5 - 0.2 short + 0.1 personal fact
        ("assistant", "The weather over there is grey and damp", 0.4),  # 0.5 - 0.1 not the user
        ("tool", "ok", 0.2),  # 0.5 - 0.2 short - 0.1 not the user
        ("assistant", "Really?", 0.1),  # 0.5 - 0.2 short - 0.1 question - 0.1 not the user
    ],
)
def test_signals_add_up(role, content, expected):
    assert score(role=role, content=content, word_count=count_words(content)).value == pytest.approx(expected)


def test_every_score_names_its_signals():
    scored = score(role="assistant", content="Really?", word_count=1)
    assert dict(scored.signals) == {"short": -0.2, "question": -0.1, "not_the_user": -0.1}
    assert scored.value == pytest.approx(0.5 + sum(amount for _, amount in scored.signals))


def test_a_long_question_is_no_mere_question():
    content = "word " * 45 + "?"
    assert score(role="user", content=content, word_count=count_words(content)).value == 0.5


def test_length_alone_changes_nothing():
    assert score(role="user", content="stone " * 3000, word_count=3000).value == 0.5


def test_a_fact_about_others_is_not_personal():
    content = "They moved to Lisbon with a sister last spring"
    assert score(role="user", content=content, word_count=count_words(content)).value == 0.5
