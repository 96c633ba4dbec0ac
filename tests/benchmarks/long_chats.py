"""Made-up chats of users with an assistant that answers at length, and questions about what was told once. Seeded.

`python -m tests.benchmarks.long_chats [SEED] > long_chats.json`. The format is LoCoMo's with a `role` at each turn and
named categories; `manage.py evaluate` reads it.

A user tells things in passing in a short turn, inside a pasted mail, or tells them again later with another value; the
assistant tells some in the middle or at the end of its long answers. Questions use other words than the telling turn.
"""

import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.benchmarks.long_chat_texts import FACTS, SENTENCES, TOPICS, Fact, Topic

USERS = 10
SESSIONS = 40
SHORT, LONG, ANSWER, CHANGED = "short user turn", "long user turn", "assistant's answer", "changed fact"
# The kinds of fact that each category takes, and how many a user tells.
TOLD = {SHORT: ("personal", 12), LONG: ("pasted", 5), ANSWER: ("advised", 6), CHANGED: ("changing", 4)}
# Shares: of facts in long texts that are introduced by what they are about; of requests that begin with something
# off the point; of paragraphs with a sentence on what others tell facts about; of short turns without a request.
INTRODUCED, CHATTY, DISTRACTED, BARE = 0.7, 0.25, 0.25, 0.3
START = datetime(2024, 1, 8, 9)


@dataclass(frozen=True, kw_only=True)
class Telling:
    """A fact to tell in a session; without a question if it will change."""

    category: str
    sentence: str
    question: str | None
    about: str


@dataclass
class Chat:
    """What has been said so far."""

    chooser: random.Random
    sessions: list[list[dict[str, Any]]] = field(default_factory=list)
    questions: list[dict[str, Any]] = field(default_factory=list)

    def say(self, role: str, text: str) -> str:
        """Add a turn to the last session; its id."""
        turns = self.sessions[-1]
        dia_id = f"D{len(self.sessions)}:{len(turns) + 1}"
        turns.append({"dia_id": dia_id, "role": role, "text": text})
        return dia_id

    def pick(self, choices: Sequence[Any]) -> Any:
        return self.chooser.choice(choices)

    def happens(self, share: float) -> bool:
        return self.chooser.random() < share

    def sentence(self, heading: str, topic: Topic) -> str:
        return self.filled(self.pick(SENTENCES[heading]), topic)

    def filled(self, sentence: str, topic: Topic) -> str:
        """With the topic and two of its things."""
        a, b = self.chooser.sample(topic.things, 2)
        text = sentence.format(topic=topic.name, a=a, b=b)
        return text[0].upper() + text[1:]


def conversations(*, seed: int = 1, users: int = USERS) -> list[dict[str, Any]]:
    """The whole data set, one conversation a user."""
    return [_conversation(random.Random(f"{seed}-{user}"), f"user-{user + 1}") for user in range(users)]


def _conversation(chooser: random.Random, name: str) -> dict[str, Any]:
    chat = Chat(chooser)
    started = START + timedelta(days=chooser.randrange(60))
    dates = {}
    for number, tellings in enumerate(_plan(chat), 1):
        chat.sessions.append([])
        _session(chat, tellings)
        dates[f"session_{number}_date_time"] = _written(started)
        started += timedelta(days=chooser.randrange(1, 12), minutes=chooser.randrange(-300, 300))
    sessions = {f"session_{number}": turns for number, turns in enumerate(chat.sessions, 1)}
    return {"sample_id": name, "conversation": dates | sessions, "qa": chat.questions}


def _written(moment: datetime) -> str:
    half = "am" if moment.hour < 12 else "pm"
    return f"{moment.hour % 12 or 12}:{moment:%M} {half} on {moment.day} {moment:%B, %Y}"


def _plan(chat: Chat) -> list[list[Telling]]:
    """What each session tells. The two values of a changed fact are at least a quarter of the chat apart."""
    plan: list[list[Telling]] = [[] for _ in range(SESSIONS)]
    for category, (kind, count) in TOLD.items():
        for fact in chat.chooser.sample([each for each in FACTS if each.kind == kind], count):
            first, second = chat.chooser.sample(fact.values, 2)
            early = chat.chooser.randrange(SESSIONS // 2)
            late = chat.chooser.randrange(3 * SESSIONS // 4, SESSIONS)
            if category == CHANGED:
                plan[early].append(_telling(chat, category, fact, first, asked=False))
                plan[late].append(_telling(chat, category, fact, second))
            else:
                chat.pick(plan).append(_telling(chat, category, fact, first))
    return plan


def _telling(chat: Chat, category: str, fact: Fact, value: str, *, asked: bool = True) -> Telling:
    sentence = chat.pick(fact.told).replace("*", value)
    return Telling(
        category=category,
        sentence=sentence[0].upper() + sentence[1:],
        question=chat.pick(fact.asked) if asked else None,
        about=chat.pick(fact.about) if fact.about and chat.happens(INTRODUCED) else "",
    )


def _session(chat: Chat, tellings: list[Telling]) -> None:
    """One to three exchanges on a topic, more where there is more to tell."""
    topic = chat.pick(TOPICS)
    exchanges = max(len(tellings), chat.pick((1, 2, 2, 3)))
    places = sorted(chat.chooser.sample(range(exchanges), len(tellings)))
    told = dict(zip(places, tellings, strict=True))
    for number in range(exchanges):
        request = chat.sentence("requests" if number == 0 else "follow ups", topic)
        if number in told:
            _tell(chat, told[number], topic, request)
        else:
            chat.say("user", f"{_noise(chat)}. {request}" if chat.happens(CHATTY) else request)
            chat.say("assistant", _answer(chat, topic))


def _tell(chat: Chat, telling: Telling, topic: Topic, request: str) -> None:
    if telling.category == ANSWER:
        dia_id = _advise(chat, telling, topic, request)
    elif telling.category == LONG:
        dia_id = chat.say("user", _mail(chat, chat.pick(TOPICS), telling))
        chat.say("assistant", _answer(chat, topic))
    elif chat.happens(BARE):
        dia_id = chat.say("user", f"{telling.sentence}.")
        chat.say("assistant", chat.pick(SENTENCES["acknowledged"]))
    else:
        parts = [f"{telling.sentence}.", request]
        chat.chooser.shuffle(parts)
        dia_id = chat.say("user", " ".join(parts))
        chat.say("assistant", f"{chat.pick(SENTENCES['acknowledged'])} {_answer(chat, topic)}")
    if telling.question:
        question = {"question": telling.question, "evidence": [dia_id], "category": telling.category}
        chat.questions.append(question)


def _advise(chat: Chat, telling: Telling, topic: Topic, request: str) -> str:
    if not telling.about:
        chat.say("user", request)
        return chat.say("assistant", _answer(chat, topic, telling=telling.sentence))
    also = chat.pick(SENTENCES["also"]).format(about=telling.about.replace("your ", "my "))
    chat.say("user", f"{request} {also}")
    lead = chat.pick(SENTENCES["leads"]).format(about=telling.about)
    return chat.say("assistant", _answer(chat, topic, telling=f"{lead} {telling.sentence}"))


def _noise(chat: Chat) -> str:
    return chat.pick(chat.pick(FACTS).noise)


def _answer(chat: Chat, topic: Topic, *, telling: str = "") -> str:
    """150 to 600 words, often with a numbered list. The telling sentence is never in the first paragraph."""
    paragraphs = [_paragraph(chat, topic) for _ in range(chat.pick((2, 3, 4, 5, 6)))]
    if chat.happens(0.6):
        paragraphs.insert(chat.pick((1, 2)), _steps(chat, topic))
    if telling:
        paragraphs[chat.chooser.randrange(1, len(paragraphs))] += f" {telling}."
    opening, closing = chat.sentence("openings", topic), chat.pick(SENTENCES["closings"])
    return "\n\n".join([opening, *paragraphs, closing])


def _paragraph(chat: Chat, topic: Topic) -> str:
    chosen = chat.chooser.sample(SENTENCES["sentences"], chat.pick((3, 4, 5)))
    sentences = [chat.filled(each, topic) for each in chosen]
    if chat.happens(DISTRACTED):
        sentences.insert(chat.pick((1, 2)), chat.pick(SENTENCES["distracting"]))
    return " ".join(sentences)


def _steps(chat: Chat, topic: Topic) -> str:
    tips = chat.chooser.sample(topic.tips, len(topic.tips))
    return "\n".join(
        f"{number}. {tip.capitalize()}: {chat.sentence('sentences', topic)}"
        for number, tip in enumerate(tips, 1)
    )


def _mail(chat: Chat, topic: Topic, telling: Telling) -> str:
    paragraphs = []
    for _ in range(chat.pick((3, 4, 5))):
        chosen = chat.chooser.sample(SENTENCES["mail sentences"], chat.pick((4, 5, 6)))
        paragraphs.append(" ".join(chat.filled(each, topic) for each in chosen))
    paragraphs[chat.chooser.randrange(len(paragraphs))] += f" {telling.sentence}."
    subject = [f"Subject: {telling.about}"] if telling.about else []
    return "\n\n".join(
        [chat.pick(SENTENCES["mail openings"]), *subject, "Dear all,", *paragraphs, "Kind regards"]
    )


if __name__ == "__main__":
    seed = int(sys.argv[1]) if sys.argv[1:] else 1
    json.dump(conversations(seed=seed), sys.stdout, indent=1)
