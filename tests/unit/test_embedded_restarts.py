import errno
from dataclasses import dataclass
from pathlib import Path

from memory_layer.embedded.restarts import Watch


@dataclass
class Child:
    """A process that we let die."""

    name: str = "worker"
    log: Path = Path("worker.log")
    alive: bool = True
    starts: int = 0
    full_disk: bool = False

    def running(self) -> bool:
        return self.alive

    def start(self) -> None:
        if self.full_disk:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.starts += 1


def watched(child: Child) -> tuple[Watch, list[str]]:
    return Watch(child), []  # type: ignore[arg-type]


def test_a_living_child_is_left_alone() -> None:
    watch, said = watched(Child())
    assert not watch.look(100, said.append)
    assert not said


def test_a_dead_child_is_started_after_a_second_and_said_so() -> None:
    child = Child(alive=False)
    watch, said = watched(child)
    assert [watch.look(now, said.append) for now in (100, 100.5, 101)] == [False, False, True]
    assert said == ["worker ended; it starts again in 1 s. Log: worker.log"]
    assert child.starts == 1


def test_the_waits_double_up_to_thirty_seconds() -> None:
    child = Child(alive=False)
    watch, said = watched(child)
    now = 1000.0
    for _ in range(7):
        watch.look(now, said.append)
        assert watch.start_at
        now = watch.start_at
        watch.look(now, said.append)
    assert [line.split(" in ")[1].split(" s")[0] for line in said] == ["1", "2", "4", "8", "16", "30", "30"]


def test_a_minute_of_health_forgives() -> None:
    child = Child(alive=False)
    watch, said = watched(child)
    for now in (0, 1, 1, 3, 70):  # dies, starts, dies, starts, dies after 67 s
        watch.look(now, said.append)
    assert " in 1 s" in said[-1]


def test_a_child_that_cannot_be_started_is_tried_again() -> None:
    child = Child(alive=False, full_disk=True)
    watch, said = watched(child)
    assert [watch.look(now, said.append) for now in (100, 101, 102)] == [False, False, False]
    assert (
        said[-1]
        == "worker could not start (No space left on device); it starts again in 2 s. Log: worker.log"
    )
    child.full_disk = False
    assert watch.look(103, said.append)
