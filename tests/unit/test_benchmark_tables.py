"""The tables that benchmarks print, their ratios and verdicts, and what peers are sent."""

from tests.benchmarks.markdown import number, table
from tests.benchmarks.mixed import report, together
from tests.benchmarks.mixed_client import Seen
from tests.benchmarks.peers.adapters import bank, text_of
from tests.benchmarks.peers.report import Figures, bars, better, missing, ratios, side_by_side
from tests.benchmarks.peers.run import held_against, without_our_other

RECALL = {"recall@10 from": 0.4, "recall@10 to": 0.6}
OURS = Figures(
    "us", {"ingests/s": 500, "searches/s": 200, "p95 ms": 20, "hit@10, large": 1, "recall@10": 0.6} | RECALL
)
THEM = Figures("them", {"ingests/s": 100, "searches/s": 160, "p95 ms": 60, "recall@10": 0.5} | RECALL)
ABSENT = Figures("absent", {}, why_not="no such package")


def cells(markdown: str) -> dict[str, list[str]]:
    rows = [line.strip("| ").split(" | ") for line in markdown.splitlines()]
    return {first: rest for first, *rest in rows}


def test_a_table_is_markdown():
    assert table(["", "a"], [["b", "1"]]) == "|  | a |\n| --- | ---: |\n| b | 1 |"


def test_numbers_have_as_many_digits_as_say_something():
    assert [number(value) for value in (0, 0.1234, 1.234, 12.34, 1234.5)] == [
        "0",
        "0.123",
        "1.23",
        "12.3",
        "1234",
    ]


def test_systems_stand_side_by_side_and_gaps_are_named():
    shown = cells(side_by_side([OURS, THEM, ABSENT]))
    assert shown["searches/s"] == ["200", "160", "not measured"]
    assert shown["recall@10"][0] == "0.600 (0.400 to 0.600)"
    assert "batch ingests/s" not in shown


def test_a_ratio_above_one_is_in_favour_of_the_first_whatever_is_counted():
    shown = cells(ratios([OURS, THEM, ABSENT]))
    assert shown["ingests/s"] == ["5.00"]
    assert shown["p95 ms"] == ["3.00"]
    assert shown["hit@10, large"] == ["not measured"]


def test_nothing_divides_by_nothing():
    assert better("ingests/s", 5, None) is None
    assert better("ingests/s", 5, 0) is None
    assert better("p95 ms", 0, 5) is None


def test_bars_are_met_missed_or_not_measured():
    def verdicts(*others: Figures) -> list[str]:
        return [result for _, [result] in list(cells(bars([OURS, *others], against="them")).items())[2:]]

    assert verdicts(THEM, ABSENT) == [
        "met: 5.00",
        "not measured",
        "MISSED: 1.25",
        "met: 1.00",
        "met: 0.600 and at best 0.500",
    ]
    assert verdicts(ABSENT) == [*["not measured"] * 3, "met: 1.00", "not measured"]


def test_the_bars_are_about_mem0_if_we_come_first():
    assert held_against(["ours", "mem0", "langgraph", "mem0-server"]) == ["mem0's server", "mem0"]
    assert held_against(["ours", "mem0"]) == ["mem0"]
    assert held_against(["ours", "langgraph"]) == ["mem0's server"], "to be told as not measured"
    assert held_against(["mem0", "ours"]) == []


def test_we_are_no_peer_of_ourselves():
    assert without_our_other(["ours", "ours-local", "mem0"], [OURS, OURS, THEM]) == [OURS, THEM]


def test_what_could_not_be_had_is_said():
    assert missing([OURS, ABSENT]) == "**Not measured: absent**: no such package"


def test_peers_get_the_speaker_with_the_text():
    assert text_of({"content": "I moved.", "name": "Ann"}) == "Ann: I moved."
    assert text_of({"content": "I moved."}) == "I moved."


def test_a_tenant_is_a_bank_in_a_path():
    assert bank("locomo conv/26?") == "locomo-conv-26-"


def test_what_clients_saw_is_put_together():
    one, two = Seen(seconds=2), Seen(seconds=4, said=["search: TimeoutError"])
    one.times["search"].taken += [10, 20]
    two.times["search"].taken += [30, 40]
    two.errors["search"] = 1
    rows = cells(report(together([one, two])))
    assert rows["search"] == ["5", "1.00", "20.0", "40.0", "40.0", "1"]
    assert rows["ingest"] == ["0", "0", "none", "none", "none", "0"]
    assert rows["together"][0] == "5"
    assert "Error: search: TimeoutError" in rows
