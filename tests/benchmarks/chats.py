"""Made-up chat messages: seeded, so that every run measures the same texts."""

# ruff: noqa: SIM905 - lists of a hundred literals would be harder to read
import random
from collections.abc import Iterator

PEOPLE = "Ann Tom Mia Ravi Olga Jin Paul Zoe Ivo Lena".split()
ACTIONS = (
    "went hiking;bought a camera;baked bread;repaired the bicycle;planted tomatoes;visited a museum;learned to swim;"
    "painted the kitchen;missed the train;adopted a dog;started a course;cooked a curry;wrote a poem;lost the keys;"
    "watched a documentary;called the dentist;ordered a lamp;fixed the roof;played chess;sold the car"
).split(";")
PLACES = (
    "by the lake;in Lisbon;at the office;near the station;in the old town;on the island;behind the school;at home;"
    "in the mountains;at the market;beside the river;in the library;at the airport;on the balcony;in the garden"
).split(";")
TIMES = "yesterday;last week;this morning;two years ago;in March;on Sunday;after work;before dawn;all summer".split(
    ";"
)
FEELINGS = (
    "and loved it;which was hard;with my sister;for the first time;though it rained;and slept well".split(";")
)


def messages(count: int, *, seed: int) -> Iterator[dict[str, str]]:
    """Messages as the API takes them, in conversations of 50."""
    chooser = random.Random(seed)
    for number in range(count):
        words = [chooser.choice(part) for part in (ACTIONS, PLACES, TIMES, FEELINGS)]
        yield {
            "conversation_id": f"conversation-{number // 50}",
            "role": "user",
            "name": chooser.choice(PEOPLE),
            "content": f"I {' '.join(words)}, note {number}",
            "external_id": f"{seed}-{number}",
        }


def questions(count: int, *, seed: int) -> Iterator[str]:
    """Questions about such messages."""
    chooser = random.Random(seed)
    for _ in range(count):
        yield f"When was it that {chooser.choice(PEOPLE)} {chooser.choice(ACTIONS)} {chooser.choice(PLACES)}?"
