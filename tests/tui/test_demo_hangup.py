"""A hang-up while the practice world starts leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def test_a_hang_up_while_the_world_starts_removes_it(tmp_path: Path) -> None:
    env = os.environ | {"TMPDIR": str(tmp_path)}
    deck = subprocess.Popen(
        [sys.executable, "-m", "quarterdeck", "demo", "--once"],
        env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while not any(tmp_path.glob("qd-*/world.log")):
            assert deck.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
        deck.send_signal(signal.SIGHUP)
        assert deck.wait(60) == 128 + signal.SIGHUP
    finally:
        deck.kill()
        deck.communicate()
    assert list(tmp_path.iterdir()) == []
