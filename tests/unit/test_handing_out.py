"""Tests side by side: who stays together."""

from tests.handing_out import AS_A_WHOLE, ON_THE_SHARED_STACK, group_of, turn_of
from tests.stack import ROOT


def test_it_knows_who_uses_the_shared_stack(request):
    """Another would start a second one. Of a part of the tests, it looks at that part."""
    using = {item.nodeid for item in request.session.items if "stack" in item.fixturenames}
    together = {item.nodeid for item in request.session.items if group_of(item.nodeid) == "stack"}
    assert together == using


def test_every_file_that_it_names_is_there():
    assert [name for name in ON_THE_SHARED_STACK | AS_A_WHOLE if not (ROOT / "tests" / name).is_file()] == []


def test_installations_come_first_and_files_with_the_same_name_are_told_apart():
    names = ["unit/test_keys.py", "integration/test_metrics.py", "e2e/test_drill.py", "e2e/test_metrics.py"]
    tests = [f"tests/{name}::test_it" for name in names]
    assert sorted(tests, key=turn_of) == [tests[3], tests[2], tests[0], tests[1]]
    assert [group_of(test) for test in tests] == [tests[0], tests[1], "e2e/test_drill.py", "stack"]


def test_there_is_a_process_more_than_there_are_cores(request, monkeypatch):
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "2")  # what xdist then takes for the cores
    assert request.config.hook.pytest_xdist_auto_num_workers(config=request.config) == 3
