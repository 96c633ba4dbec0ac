import sys
from pathlib import Path

import pytest

from memory_layer.embedded.environment import Wishes
from memory_layer.embedded.servers import Servers
from memory_layer.embedded.sockets import make_sockets
from memory_layer.embedded.stopping import StopSignals
from memory_layer.embedded.supervisor import Stack


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
def test_a_full_disk_is_waited_out(tmp_path: Path) -> None:
    """What runs must not end because its pids cannot be written down."""
    stack = Stack(Wishes({}), tmp_path, StopSignals())
    stack.servers = Servers(make_sockets(None))
    draft = tmp_path / "running.json.new"
    draft.symlink_to("/dev/full")
    assert not stack._recorded()
    draft.unlink()
    assert stack._recorded()
    assert (tmp_path / "running.json").exists()
    stack.servers.sockets.remove()
