"""The circuit breaker's states and what moves it between them: a formula, without clock, Redis or Django."""

from dataclasses import dataclass, replace

from memories.embeddings.base import EmbeddingError, Fault

# Nothing but a person mends a wrong set-up; and the corrected one has a circuit of its own.
SETUP_FACTOR = 10
# However long a provider asks to be left alone, a probe an hour harms nobody.
LONGEST_SECONDS = 3600.0


@dataclass(frozen=True)
class Circuit:
    """`failures` in a row; `until` (epoch seconds, 0: closed) the next probe; whose fault the last one was, and why."""

    failures: int = 0
    until: float = 0.0
    fault: str = ""
    reason: str = ""

    def state(self, now: float) -> str:
        """closed; open until the next probe's time; half-open from then: the next call is the probe."""
        if not self.until:
            return "closed"
        return "open" if now < self.until else "half-open"

    def asked(self, now: float, *, interval_seconds: float) -> "Circuit":
        """After somebody asked to call: the probe puts the next one off, whatever becomes of it."""
        return replace(self, until=now + interval_seconds) if self.state(now) == "half-open" else self

    def failed(
        self, error: EmbeddingError, now: float, *, threshold: int, interval_seconds: float
    ) -> "Circuit":
        """After a failed call. Opens at the threshold; at once for a wrong set-up, or when asked to wait longer."""
        setup, asked = error.fault is Fault.SETUP, error.retry_after_seconds
        pause = min(LONGEST_SECONDS, max(interval_seconds * (SETUP_FACTOR if setup else 1), asked))
        opens = setup or self.failures + 1 >= threshold or asked > interval_seconds
        return Circuit(
            failures=self.failures + 1,
            # Never sooner than said before: calls that were under way when it opened fail after it.
            until=max(self.until, now + pause) if opens else self.until,
            fault=error.fault.value,
            reason=str(error),
        )
