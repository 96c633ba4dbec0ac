"""The benchmarks' made-up data: the same for a seed, and fit to measure with."""

from collections import Counter

from memories import datasets
from tests.benchmarks import long_chats, topical
from tests.benchmarks.long_chat_texts import FACTS

CONVERSATIONS = datasets.parse(long_chats.conversations(seed=1))


def test_a_seed_makes_the_same_chats():
    assert long_chats.conversations(seed=7, users=1) == long_chats.conversations(seed=7, users=1)
    assert long_chats.conversations(seed=7, users=1) != long_chats.conversations(seed=8, users=1)


def test_every_question_has_one_turn_that_answers_it():
    asked = [question for each in CONVERSATIONS for question in each.questions]
    assert len(asked) == long_chats.USERS * sum(count for _, count in long_chats.TOLD.values())
    assert all(len(question.evidence) == 1 for question in asked)
    assert set(Counter(question.category for question in asked)) == set(long_chats.TOLD)


def test_no_question_says_its_answer():
    for fact in FACTS:
        for question in fact.asked:
            assert not [value for value in fact.values if value.lower() in question.lower()]


def test_no_other_turn_of_the_same_role_tells_the_answer():
    """Of the same role: bread has gluten whoever avoids it, and the assistant says so."""
    for conversation in CONVERSATIONS:
        turns = {turn.id: turn for turn in conversation.turns}
        for question in conversation.questions:
            [evidence] = question.evidence
            told = turns[evidence]
            values = _values_in(told.text, question.text)
            assert values
            for turn in conversation.turns:
                if turn.role == told.role and turn.id != evidence:
                    assert not values & _values_in(turn.text, question.text), (question.text, turn.text)


def _values_in(text: str, question: str) -> set[str]:
    [fact] = [fact for fact in FACTS if question in fact.asked]
    return {value for value in fact.values if value.lower() in text.lower()}


def test_answers_are_long():
    lengths = sorted(
        len(turn.text.split()) for each in CONVERSATIONS for turn in each.turns if turn.role == "assistant"
    )
    assert 150 <= lengths[len(lengths) // 2] <= 600
    assert lengths[-1] <= 600


def test_topical_texts_are_the_same_for_a_seed_and_differ_within():
    rows = list(topical.messages(1000, seed=1))
    assert rows == list(topical.messages(1000, seed=1))
    assert len({row["content"] for row in rows}) == 1000
    words = Counter(word for row in rows for word in row["content"].lower().split())
    assert len(words) > 2000
    assert words["the"] > 20 * words.most_common(500)[-1][1]
