"""The state machine: random steps of everybody, the worker and the changes of model among them, each checked."""

from django.conf import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from memories import jobs, lexicon, reembedding, tasks
from memories.embeddings import Identity
from memories.models import EmbeddingSpace
from tests.fake_provider import MODEL, FakeProvider
from tests.model import invariants
from tests.model.letting_go import LettingGo
from tests.model.reading import Reading
from tests.model.world import World
from tests.model.writing import REFUSED, Writing

MISSING = """
    SELECT m.id FROM memories_message m JOIN memories_embeddingspace a ON a.active
    JOIN memories_messageembedding e ON e.tenant_id = m.tenant_id AND e.message_id = m.id AND e.space_id = a.id
    WHERE e.part = 0 AND NOT EXISTS (SELECT FROM memories_messageembedding o WHERE o.tenant_id = m.tenant_id
                      AND o.message_id = m.id AND o.space_id = %s)
"""


class Machine(Writing, LettingGo, Reading):
    """An installation and what must be true of it."""

    def __init__(self, fake: FakeProvider) -> None:
        super().__init__()
        fake.refused = REFUSED
        self.world = World.emptied()

    @invariant()
    def the_database_is_sound(self) -> None:
        """After every step."""
        invariants.check([side.memory for side in self.world.sides])

    @rule()
    def embed_some(self) -> None:
        """The worker takes one batch."""
        jobs.run_batch()

    @rule()
    def embed_all(self) -> None:
        """The worker works until nothing is due."""
        tasks.drain()
        invariants.nothing_waits(REFUSED)

    @rule(chunk=st.integers(1, 5))
    def count_words(self, chunk: int) -> None:
        """A part of the changes goes into the statistics."""
        lexicon.fold(chunk=chunk)

    @rule()
    def try_again(self) -> None:
        """The operator has what the provider refused tried again."""
        assert self.world.operator.post("/v1/admin/jobs/replay", {}).status_code == 200

    @rule()
    def fill_another_space(self) -> None:
        """Another model: from now on every message is embedded by both."""
        self._fill()

    def _fill(self) -> None:
        active = EmbeddingSpace.objects.filter(active=True).first()
        dimensions = 16 if active is None or active.dimensions == 8 else 8
        list(reembedding.fill(reembedding.space_for(Identity("openai", MODEL, dimensions))))

    @rule(at_once=st.booleans())
    def switch(self, at_once: bool) -> None:
        """Searches read the other space, unless they would find less by vector; asked for `at_once`, it is empty."""
        if at_once:
            self._fill()
        for space in EmbeddingSpace.objects.filter(active=False):
            missing = len(invariants.rows(MISSING, [space.id]))
            try:
                reembedding.switch(space)
            except reembedding.CannotSwitch:
                assert missing
            else:
                assert missing <= settings.ENV.embedding_batch_size, "they are found by words alone now"

    @rule()
    def drop(self) -> None:
        """The space that nobody reads goes, with its vectors and jobs."""
        for space in EmbeddingSpace.objects.filter(active=False):
            reembedding.drop(space)
