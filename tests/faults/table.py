"""What a fault did: counted, printed as a row, and held to the bars."""

import time
from collections import Counter
from dataclasses import dataclass, field

from tests.faults.kills import until_embedded
from tests.faults.traffic import Traffic
from tests.stack import Stack

# From the return of the part to a stack that stores, finds and embeds.
RECOVERY_BAR_SECONDS = 10.0
HEAD = (
    "fault",
    "injected",
    "acknowledged",
    "lost",
    "doubled",
    "missed",
    "client errors",
    "down s",
    "recovered s",
    "embedded s",
)
WIDTHS = (34, 8, 12, 5, 7, 6, 40, 14, 14, 10)


@dataclass(kw_only=True)
class Row:
    """A fault's figures. `down`: seconds from each injection to the part's return; `recovered`: from there to all well.

    `missed`: searches that answered without the message that had just been acknowledged.
    """

    fault: str
    injected: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    missed: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    down: list[float] = field(default_factory=list)
    recovered: list[float] = field(default_factory=list)
    slowest: dict[str, float] = field(default_factory=dict)
    embedded_after: float = 0.0
    unmet: list[str] = field(default_factory=list)
    bar_seconds: float = RECOVERY_BAR_SECONDS

    def __str__(self) -> str:
        errors = ", ".join(f"{kind} {count}" for kind, count in sorted(self.errors.items())) or "none"
        cells = (self.fault, self.injected, self.acknowledged, self.lost, self.doubled, self.missed, errors)
        return line((*cells, _span(self.down), _span(self.recovered), f"{self.embedded_after:.1f}"))

    def note_recovery(self, held: dict[str, float]) -> None:
        """The slowest of the recoveries is kept with its steps, so that one sees what took so long."""
        seconds = max(held.values())
        if seconds > max(self.recovered, default=0.0):
            self.slowest = {name: round(value, 1) for name, value in held.items()}
        self.recovered.append(seconds)

    def faults(self) -> list[str]:
        """Which bars it does not meet."""
        found = [
            f"{self.fault}: {getattr(self, name)} {name}"
            for name in ("lost", "doubled", "missed")
            if getattr(self, name)
        ]
        found += [f"{self.fault}: {what}" for what in self.unmet]
        if max(self.recovered, default=0.0) > self.bar_seconds:
            found.append(
                f"{self.fault}: recovered {max(self.recovered):.1f} s after the return: {self.slowest}"
            )
        return found


def line(cells: tuple[object, ...]) -> str:
    """A row of the table."""
    return "  ".join(f"{cell!s:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def account(row: Row, stack: Stack, traffic: Traffic) -> Row:
    """Wait until everything is embedded, and count what became of what was acknowledged."""
    started = time.monotonic()
    until_embedded(stack, traffic.tenant)
    row.embedded_after = time.monotonic() - started
    stored = stack.sql(
        """SELECT m.id::text, m.content, count(e.part) FROM memories_message m
           JOIN tenants_tenant t ON t.id = m.tenant_id AND t.name = %s
           LEFT JOIN memories_messageembedding e ON e.tenant_id = m.tenant_id AND e.message_id = m.id
           GROUP BY m.tenant_id, m.id""",
        [traffic.tenant],
    )
    texts = {message_id: content for message_id, content, _ in stored}
    row.acknowledged += len(traffic.acknowledged)
    row.lost += sum(texts.get(key) != content for key, content in traffic.acknowledged.items())
    row.doubled += len(stored) - len({content for _, content, _ in stored})
    row.missed += len(traffic.missed)
    row.errors += traffic.errors
    wrong = [message_id for message_id, _, vectors in stored if vectors != 1]
    assert not wrong, f"{len(wrong)} messages of {traffic.tenant} have no vector, or several"
    assert len(traffic.acknowledged) == traffic.count
    assert traffic.searches, "no search was answered, so none could miss anything"
    return row


def _span(seconds: list[float]) -> str:
    if not seconds:
        return "-"
    return f"{min(seconds):.1f}-{max(seconds):.1f}" if len(seconds) > 1 else f"{seconds[0]:.1f}"
