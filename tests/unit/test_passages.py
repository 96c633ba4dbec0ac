"""Long texts in passages: nothing lost, none tiny, ends where people pause, whatever the script."""

import pytest

from memories.passages import MAX_PASSAGES, passages

SENTENCE = "The river rises in the hills and runs down to the sea. "  # 12 words


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_it_works():
    found = passages(SENTENCE * 30)
    assert len(found) == 3
    assert all(passage.startswith("The river") and passage.endswith("sea.") for passage in found)


@pytest.mark.parametrize("text", ["", " \n", "word", "word " * 180, SENTENCE * 15, "川" * 360, "x" * 7200])
def test_a_short_text_has_none(text):
    assert passages(text) == []


LONG = {
    "one more word than is short": "word " * 181,
    "sentences": SENTENCE * 100,
    "paragraphs": (SENTENCE * 9 + "\n\n") * 7,
    "lines": "milk and eggs\n" * 200,
    "no end anywhere": "word " * 1000,
    "Chinese": "河流从山上流下来,一直流到大海。" * 60,
    "Chinese without a stop": "河流从山上流下来一直流到大海" * 60,
    "Japanese": "川は丘から海まで流れています。「本当に。」" * 60,
    "Thai": "แม่น้ำไหลจากภูเขาลงสู่ทะเล" * 60,
    "Korean": "강은 언덕에서 바다로 흐릅니다. " * 80,
    "one long word": "x" * 60_000,
    "emoji": "🌊" * 8000,
    "mixed": "日a本b" * 300,
    "huge": SENTENCE * 1200,
    "blank": SENTENCE * 20 + "\n" * 3000 + SENTENCE * 20,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
def test_nothing_is_lost_and_no_passage_is_tiny(text):
    found = passages(text)
    assert 2 <= len(found) <= MAX_PASSAGES
    assert squeezed("".join(found)) == squeezed(text)
    lengths = [len(squeezed(passage)) for passage in found]
    assert min(lengths) > 0.3 * max(lengths)


@pytest.mark.parametrize("name", ["sentences", "Chinese", "Japanese", "Korean"])
def test_passages_end_with_sentences(name):
    assert all(passage[-1] in ".。」" for passage in passages(LONG[name]))


def test_a_paragraphs_end_is_better_than_a_sentences():
    text = SENTENCE * 9 + "\n\n" + SENTENCE * 11
    first, second = passages(text)
    assert (len(first.split()), len(second.split())) == (9 * 12, 11 * 12)


def test_words_stay_whole():
    text = " ".join(f"word{n}" for n in range(1000))
    assert [word for passage in passages(text) for word in passage.split()] == text.split()
