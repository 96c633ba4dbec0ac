"""explain(): why a message is, or is not, in the answer to a search.

The search is done as it was asked, and the message looked for in what came about: so a verdict never contradicts the
answer. Only a message that was no candidate is ranked in a second search, which takes it as one, to tell by how much it
missed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db.models import Q

from memories import exclusion, lexical, ranking, search
from memories.filters import Parts, all_of
from memories.models import Message
from memories.querysets import READY
from memories.relevance import Candidate, Relevance, Term, signal_terms
from memories.tables import LIVE, WITH_ARCHIVE, Tables
from memories.whole_messages import WholeMessage
from tenants.models import Tenant


class Verdict(StrEnum):
    """What became of a message."""

    IN_ANSWER = "in_answer"
    RANKED_BELOW = "ranked_below"
    NOT_IN_POOL = "not_in_pool"
    NOT_A_CANDIDATE = "not_a_candidate"
    DUPLICATE_OF = "duplicate_of"
    FILTERED = "filtered"
    LATER_THAN_AS_OF = "later_than_as_of"
    ARCHIVED = "archived"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A candidate's place: `rank` among all different candidates, 1 for the best. No hit: it is not in the pool."""

    rank: int
    candidate: Candidate
    relevance: Relevance
    hit: ranking.Hit | None = None


@dataclass(frozen=True, kw_only=True)
class Missed:
    """How near a message came to being a candidate: its own figures, and the least of those that were taken.

    None: nothing was looked for that way, nothing was found, or the message has no vector.
    """

    bm25: float
    least_bm25: float | None
    cosine: float | None
    least_cosine: float | None


@dataclass(kw_only=True)
class Why:
    """The verdict and what it goes by. Fields that have nothing to do with it are empty.

    `standing` is the message's own place, or that of the message which stands for it; `compared_with` the last of those
    that it would have had to beat, and `loses_by` the term where it falls behind most.
    """

    message: WholeMessage
    answer: search.Answer
    top_k: int
    query_words: Sequence[str]
    verdict: Verdict = Verdict.NOT_A_CANDIDATE
    reason: str = ""
    excluded_by: Sequence[str] = ()
    standing: Standing | None = None
    compared_with: Standing | None = None
    loses_by: str | None = None
    missed: Missed | None = None
    candidate: Candidate | None = field(default=None, repr=False)

    def judge(self, verdict: Verdict, reason: str) -> None:
        """Verdict and reason belong together."""
        self.verdict, self.reason = verdict, reason


def explain(
    *,
    tenant: Tenant,
    message_id: UUID,
    text: str,
    top_k: int,
    mode: str = "",
    parts: Parts,
    weights: ranking.Weights | None = None,
    as_of: datetime | None = None,
    tables: Tables = LIVE,
    explain: bool = False,
) -> Why:
    """Why the message is or is not among the `top_k` that `search.search` finds with the same arguments.

    `parts` are the filters, told apart. Raises Message.DoesNotExist. Takes two searches at most.
    """
    message = _read(tenant, message_id)

    def searched(*also: str) -> search.Answer:
        return search.search(
            tenant=tenant,
            text=text,
            top_k=top_k,
            mode=mode,
            condition=all_of(parts),
            weights=weights,
            as_of=as_of,
            also=also,
            tables=tables,
            explain=explain,
        )

    answer = searched()
    words = lexical.in_message(tenant.id, str(message_id), answer.words, WITH_ARCHIVE)
    why = Why(message=message, answer=answer, top_k=top_k, query_words=words)
    later = [] if as_of is None else [(exclusion.AS_OF, Q(created_at__lte=as_of))]
    why.excluded_by = exclusion.failing(tenant.id, message.id, [*later, *parts])
    if _judge_excluded(why, tables):
        return why
    why.candidate = _candidate(answer, message)
    if why.candidate is None:
        why.candidate = _candidate(searched(str(message_id)), message)
    try:
        _judge_candidate(why)
    except Message.DoesNotExist:
        why.message = _read(tenant, message_id)  # it was archived meanwhile, or it is gone
        if not _judge_excluded(why, tables):
            raise
        return why
    why.reason += _about_vectors(why)
    return why


def _read(tenant: Tenant, message_id: UUID) -> WholeMessage:
    found = WITH_ARCHIVE.whole(tenant.id, [str(message_id)])
    if not found:
        raise Message.DoesNotExist
    return found[str(message_id)]


def _judge_excluded(why: Why, tables: Tables) -> bool:
    """Whether the search could not have found it at all."""
    if why.message.archived_at is not None and tables is LIVE:
        why.judge(Verdict.ARCHIVED, exclusion.about_archived(why.message, why.excluded_by))
    elif why.excluded_by:
        verdict = Verdict.LATER_THAN_AS_OF if exclusion.AS_OF in why.excluded_by else Verdict.FILTERED
        why.judge(verdict, exclusion.about_filters(why.message, why.excluded_by))
    else:
        return False
    return True


def _candidate(answer: search.Answer, message: WholeMessage) -> Candidate | None:
    wanted = message.id
    return next((each for each in answer.gathered.candidates.all() if each.id == wanted), None)


def _judge_candidate(why: Why) -> None:
    """By its place; it was deleted meanwhile if nothing of its text has one, although it was a candidate."""
    if why.candidate is None:
        raise Message.DoesNotExist
    was_candidate = _candidate(why.answer, why.message) is not None
    why.standing = _standing(why.answer, why.candidate.fingerprint)
    if why.standing is None:
        if was_candidate:
            raise Message.DoesNotExist
        _judge_missed(why, why.candidate)
    elif why.standing.candidate.id != why.candidate.id:
        why.judge(Verdict.DUPLICATE_OF, _about_duplicate(why, why.standing))
    elif why.standing.rank <= why.top_k:
        rank, count = why.standing.rank, len(why.answer.found)
        why.judge(Verdict.IN_ANSWER, f"It is in the answer, at rank {rank} of {count}.")
    elif why.standing.hit is not None:
        _judge_below(why, why.standing, why.standing.hit)
    else:
        _judge_beyond(why, why.standing)


def _standing(answer: search.Answer, fingerprint: int) -> Standing | None:
    """The place of whichever candidate stands for this text."""
    hits = ((hit.candidate, hit.relevance, hit) for hit in answer.order)
    beyond = ((candidate, relevance, None) for relevance, candidate in answer.ranked.beyond)
    for rank, (candidate, relevance, hit) in enumerate([*hits, *beyond], start=1):
        if candidate.fingerprint == fingerprint:
            return Standing(rank=rank, candidate=candidate, relevance=relevance, hit=hit)
    return None


def _about_duplicate(why: Why, standing: Standing) -> str:
    place = "in the answer" if standing.rank <= why.top_k else "not in the answer either"
    better = standing.candidate.id
    return f"It says the same as {better}, which stands for both and is {place}, at rank {standing.rank}."


def _judge_below(why: Why, standing: Standing, hit: ranking.Hit) -> None:
    last = why.answer.order[why.top_k - 1]
    why.compared_with = Standing(rank=why.top_k, candidate=last.candidate, relevance=last.relevance, hit=last)
    mine, theirs = (ranking.terms(each, weights=why.answer.weights) for each in (hit, last))
    why.loses_by = _greatest_loss(mine, theirs)
    place = (
        f"It has rank {standing.rank} of {len(why.answer.order)}, and the answer ends at rank {why.top_k}."
    )
    if why.loses_by is not None and hit.score < last.score:
        because = _about_loss(why.loses_by, mine, theirs)
    elif hit.score == last.score:
        because = "Both have the same score: the newer goes first."
    else:
        because = f"Only the first {why.answer.looked_through} may move up where repeats move down."
    repeat = " It says nearly the same as a better hit." if hit.redundant else ""
    why.judge(Verdict.RANKED_BELOW, f"{place} {because}{repeat}")


def _judge_beyond(why: Why, standing: Standing) -> None:
    order = why.answer.order
    place, least = min(enumerate(order, start=1), key=lambda ranked: ranked[1].relevance.total)
    why.compared_with = Standing(rank=place, candidate=least.candidate, relevance=least.relevance, hit=least)
    mine, theirs = signal_terms(standing.relevance), signal_terms(least.relevance)
    why.loses_by = _greatest_loss(mine, theirs)
    different = len(order) + len(why.answer.ranked.beyond)
    because = (
        _about_loss(why.loses_by, mine, theirs)
        if why.loses_by is not None
        else "The least of those is as relevant: the more important or newer goes first."
    )
    why.judge(
        Verdict.NOT_IN_POOL,
        f"It is only number {standing.rank} of {different} candidates by relevance, and the {len(order)} most "
        f"relevant are ranked. {because}",
    )


def _judge_missed(why: Why, candidate: Candidate) -> None:
    gathered = why.answer.gathered
    taken = {each.id: each for each in gathered.candidates.all()}
    bm25s = [taken[each].own_bm25 for each in gathered.by_words if each in taken]
    cosines = [taken[each].cosine for each in gathered.by_vector if each in taken]
    missed = why.missed = Missed(
        bm25=candidate.own_bm25,
        least_bm25=min(bm25s, default=None),
        cosine=candidate.cosine,
        least_cosine=min((each for each in cosines if each is not None), default=None),
    )
    ways = []
    if bm25s:
        ways.append(
            f"among the {len(bm25s)} best by words (its BM25 is {missed.bm25:.3f}, their least {missed.least_bm25:.3f})"
        )
    if cosines and missed.cosine is not None:
        ways.append(
            f"among the {len(cosines)} nearest by vector (its cosine is {missed.cosine:.3f}, "
            f"their least {missed.least_cosine:.3f})"
        )
    ways.append("beside one of the messages that were found" if not ways else "beside one of these")
    passed_over = _above(missed.bm25, missed.least_bm25) or _above(missed.cosine, missed.least_cosine)
    but = " Its figures are better: the index looks at a part of the messages only." if passed_over else ""
    wordless = "" if why.query_words else " It holds no index word of the query."
    why.judge(Verdict.NOT_A_CANDIDATE, f"It is not {', nor '.join(ways)}.{wordless}{but}")


def _above(own: float | None, least: float | None) -> bool:
    return own is not None and least is not None and own > least


def _greatest_loss(mine: Mapping[str, Term], theirs: Mapping[str, Term]) -> str | None:
    losses = {name: _product(theirs[name]) - _product(mine[name]) for name in mine}
    name = max(losses, key=lambda each: losses[each])
    return name if losses[name] > 0 else None


def _about_loss(name: str, mine: Mapping[str, Term], theirs: Mapping[str, Term]) -> str:
    own, least = _product(mine[name]), _product(theirs[name])
    return f"It loses most by {name}: that gives it {own:.3f}, and the last one {least:.3f}."


def _product(term: Term) -> float:
    return term.weight * (term.value or 0.0)


def _about_vectors(why: Why) -> str:
    """What keeps vectors from finding it, if they were wanted."""
    if why.answer.mode == search.TEXT:
        return ""
    if why.answer.degraded:
        return " Vectors could not be used, so words alone decided."
    if why.message.embedding_status == READY or (
        why.candidate is not None and why.candidate.cosine is not None
    ):
        return ""
    return f" It has no vector ({why.message.embedding_status}), so only words can find it."
