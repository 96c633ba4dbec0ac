"""Policies that can never act, because an earlier one takes every message that fits them. Pure."""

from collections.abc import Sequence

from retention.policies import Policy, contains


def shadowed(policies: Sequence[Policy]) -> dict[int, Policy]:
    """Place of a policy -> the first one before it, in the order given, that leaves it nothing."""
    found: dict[int, Policy] = {}
    for place, policy in enumerate(policies):
        for earlier in policies[:place]:
            if _leaves_nothing(earlier, policy):
                found[place] = earlier
                break
    return found


def _leaves_nothing(earlier: Policy, later: Policy) -> bool:
    return (
        _scope_is_wider(earlier, later)
        and _rules_are_weaker(earlier, later)
        # In the archive only policies with a time there are asked.
        and (later.delete_archived_after_days is None or earlier.delete_archived_after_days is not None)
    )


def _scope_is_wider(earlier: Policy, later: Policy) -> bool:
    return (
        later.conversation_prefix.startswith(earlier.conversation_prefix)
        and earlier.role in ("", later.role)
        and earlier.user_id in ("", later.user_id)
        and earlier.agent_id in ("", later.agent_id)
        and contains(later.metadata, earlier.metadata)
    )


def _rules_are_weaker(earlier: Policy, later: Policy) -> bool:
    """Whether all that meets the later one's rules meets the earlier one's."""
    minima = [
        (earlier.older_than_days, later.older_than_days),
        (earlier.not_recalled_for_days, later.not_recalled_for_days),
        (earlier.keep_newest, later.keep_newest),
    ]
    below, below_later = earlier.importance_below, later.importance_below
    return all(first is None or (second is not None and first <= second) for first, second in minima) and (
        below is None or (below_later is not None and below >= below_later)
    )
