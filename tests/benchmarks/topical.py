"""Made-up texts with the statistics of real ones: a Zipf vocabulary, a thousand topics, 5 to 40 words. Seeded.

Words are made of syllables, so that no two of them share a stem by accident; every message has a topic whose words
it mixes with everyday ones, so that queries have near, far and middling matches, by words and by vectors.
"""

# ruff: noqa: SIM905 - lists of a hundred literals would be harder to read
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

WORDS, TOPICS, WORDS_OF_TOPIC = 8000, 1000, 12
EVERYDAY = (
    "the a of to and in is it that was for on with my I you we they at this have not but from or had be as what so all "
    "if about up out who get when make can like time just know take year good some could see other than then now only"
).split()
_ONSETS = "b br c cl d dr f fl g gr h j k l m n p pr qu r s st t tr v w z".split()
_VOWELS = "a e i o u ai ea ou".split()
_CODAS = "n r l m t k nd st x".split()
# Shares of a message's words: everyday ones, and of the rest those of its topic.
_EVERYDAY_SHARE, _TOPIC_SHARE = 0.4, 0.6


def vocabulary(seed: int = 0) -> list[str]:
    """Distinct words, the frequent ones shorter."""
    chooser, found = random.Random(seed), dict[str, None]()
    while len(found) < WORDS:
        syllables = 2 if len(found) < WORDS // 4 else 3
        parts = (chooser.choice(_ONSETS) + chooser.choice(_VOWELS) for _ in range(syllables))
        found["".join(parts) + chooser.choice(_CODAS)] = None
    return list(found)


def _zipf(count: int) -> list[float]:
    return list(accumulate(1 / (rank + 3) for rank in range(count)))


@dataclass
class Writer:
    """Writes messages and questions; two writers with one seed write the same."""

    seed: int
    chooser: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chooser = random.Random(self.seed)

    def message(self) -> tuple[int, str]:
        """A topic's number and a text about it."""
        topic = self.chooser.randrange(TOPICS)
        return topic, self._text(topic, self.chooser.randint(5, 40)) + "."

    def question(self) -> str:
        """About some topic, three to ten words."""
        return f"What {self._text(self.chooser.randrange(TOPICS), self.chooser.randint(2, 9))}?"

    def _text(self, topic: int, count: int) -> str:
        everyday = sum(self.chooser.random() < _EVERYDAY_SHARE for _ in range(count))
        of_topic = round((count - everyday) * _TOPIC_SHARE)
        words = [
            *self.chooser.choices(EVERYDAY, cum_weights=_EVERYDAY_WEIGHTS, k=everyday),
            *self.chooser.choices(_TOPIC_WORDS[topic], cum_weights=_TOPIC_WEIGHTS, k=of_topic),
            *self.chooser.choices(_VOCABULARY, cum_weights=_WEIGHTS, k=count - everyday - of_topic),
        ]
        self.chooser.shuffle(words)
        return " ".join(words)


_VOCABULARY = vocabulary()
_WEIGHTS = _zipf(WORDS)
_EVERYDAY_WEIGHTS = _zipf(len(EVERYDAY))
_TOPIC_WEIGHTS = _zipf(WORDS_OF_TOPIC)
_TOPIC_CHOOSER = random.Random(1)
_TOPIC_WORDS = [
    _TOPIC_CHOOSER.choices(_VOCABULARY, cum_weights=_WEIGHTS, k=WORDS_OF_TOPIC) for _ in range(TOPICS)
]


def messages(count: int, *, seed: int) -> Iterator[dict[str, Any]]:
    """Messages as the API takes them, in conversations of 50; one in a hundred has the metadata `rare`."""
    writer = Writer(seed)
    for number in range(count):
        topic, text = writer.message()
        yield {
            "conversation_id": f"conversation-{number // 50}",
            "user_id": f"user-{number // 500}",
            "role": "user" if number % 3 else "assistant",
            "content": text,
            "external_id": f"{seed}-{number}",
            "metadata": {"topic": topic} | ({"rare": "yes"} if number % 100 == 0 else {}),
        }


def questions(count: int, *, seed: int) -> list[str]:
    """Distinct as good as always."""
    writer = Writer(seed)
    return [writer.question() for _ in range(count)]
