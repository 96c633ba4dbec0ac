"""Whatever is stored, edited, deleted and indexed anew, in whatever order it is counted: the statistics are right, and
nothing of an erased text stays in them."""

from collections import Counter

from django.db import connection
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from memories import ingest, lexicon, recount, reindexing
from memories.models import Corpus, Message, TermChange, TermStatistic
from tenants.models import Tenant
from tests.factories import TenantFactory

WORDS = st.lists(
    st.sampled_from(
        ["tea", "teas", "the", "Häuser", "Haus", "running", "ran", "it's", "a@b.example", "🧠", "7"]
    ),
    max_size=6,
)
LANGUAGES = st.sampled_from(["english", "german", "simple"])


class Statistics(RuleBasedStateMachine):
    """One tenant's life. Every text has a word of its own, which must be gone when the text is."""

    def __init__(self) -> None:
        super().__init__()
        self.tenant: Tenant = TenantFactory()
        self.tenants = [self.tenant]
        self.marks = 0
        self.secrets: dict[str, str] = {}  # message id -> the word of its own
        self.erased: set[str] = set()

    def text(self, words: list[str]) -> tuple[str, str]:
        self.marks += 1
        mark = f"xyzzy{self.tenant.id}q{self.marks}"
        return " ".join([*words, mark]), mark

    @rule(texts=st.lists(WORDS, min_size=1, max_size=3), named=st.booleans())
    def store(self, texts: list[list[str]], named: bool) -> None:
        made = [self.text(words) for words in texts]
        new = [
            ingest.NewMessage(
                conversation_id="c", role="user", content=content, external_id=mark if named else None
            )
            for content, mark in made
        ]
        stored = ingest.store(tenant=self.tenant, messages=new)
        self.secrets |= {str(each.message.id): mark for each, (_, mark) in zip(stored, made, strict=True)}
        if named:
            again = ingest.store(tenant=self.tenant, messages=new)
            assert all(each.replayed for each in again)

    @precondition(lambda self: self.secrets)
    @rule(data=st.data(), words=WORDS)
    def edit(self, data: st.DataObject, words: list[str]) -> None:
        chosen = data.draw(st.sampled_from(sorted(self.secrets)))
        content, mark = self.text(words)
        ingest.edit(tenant=self.tenant, message_id=chosen, changes={"content": content, "pinned": True})
        self.erased.add(self.secrets.pop(chosen))
        self.secrets[chosen] = mark

    @precondition(lambda self: self.secrets)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(sorted(self.secrets)))
        assert ingest.delete(tenant=self.tenant, message_id=chosen)
        self.erased.add(self.secrets.pop(chosen))

    @rule(language=LANGUAGES)
    def speak(self, language: str) -> None:
        Tenant.objects.filter(id=self.tenant.id).update(language=language)

    @rule(chunk=st.integers(1, 4))
    def fold(self, chunk: int) -> None:
        lexicon.fold(chunk=chunk)

    @rule()
    def reindex(self) -> None:
        reindexing.reindex(tenant=self.tenant, seconds=0)

    @rule()
    def delete_tenant(self) -> None:
        self.tenant.delete()
        self.erased |= set(self.secrets.values())
        self.secrets.clear()
        self.tenant = TenantFactory()
        self.tenants.append(self.tenant)

    @invariant()
    def is_what_a_recount_finds(self) -> None:
        assert not recount.check(self.tenant).wrong

    def teardown(self) -> None:
        lexicon.fold_all()
        self.is_what_a_recount_finds()
        assert not TermChange.objects.exists()
        assert counted(self.tenant) == by_hand(self.tenant)
        assert not TermStatistic.objects.filter(term__in=self.erased).exists()
        assert not TermStatistic.objects.filter(messages__lte=0).exists()
        kept = TermStatistic.objects.filter(tenant=self.tenant, term__in=self.secrets.values())
        assert kept.count() == len(self.secrets)
        assert not Corpus.objects.filter(messages__lte=0).exists()
        while reindexing.reindex():
            pass
        self.tenant.refresh_from_db()
        languages = Message.objects.for_tenant(self.tenant.id).values_list("language", flat=True)
        assert set(languages) <= {self.tenant.language}


def counted(tenant: Tenant) -> Counter[str]:
    return Counter(dict(TermStatistic.objects.filter(tenant=tenant).values_list("term", "messages")))


def by_hand(tenant: Tenant) -> Counter[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT tsvector_to_array(to_tsvector(language::regconfig, content))
               FROM memories_message WHERE tenant_id = %s""",
            [tenant.id],
        )
        return Counter(term for (terms,) in cursor.fetchall() for term in terms)


def test_the_statistics_are_always_right(db):
    run_state_machine_as_test(
        Statistics, settings=settings(max_examples=40, stateful_step_count=25, deadline=None)
    )
