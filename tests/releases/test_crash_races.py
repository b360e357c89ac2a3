"""Two deployers, each with a state folder of its own, on one engine: one wins, the other is told who and since when."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from crash.arena import PLACE, SERVICE
from crash.containers import StopStart
from crash.races import SINCE, race, winner
from parts.deckworld import COMMAND, environment

ROUNDS = 200
DEPLOYS = 3
pytestmark = [pytest.mark.real(*StopStart.needs), pytest.mark.xdist_group("crash-stop-start")]


def test_200_races_have_one_winner_each(stop_start: StopStart, tmp_path: Path) -> None:
    tries = race(stop_start.engine.url, SERVICE, ROUNDS, tmp_path)
    winners = Counter(winner(tries, number) for number in range(ROUNDS))
    print(f"{ROUNDS} races: {dict(winners)}")
    assert winners["ada"] + winners["ben"] == ROUNDS, winners
    for each in tries:
        if not each.won:
            other = "ben" if each.who == "ada" else "ada"
            assert each.holder == other, each
            assert f"operation op-{each.round}-{other} by {other} on bastion-{other} since {SINCE}" in each.told, each
    assert not [name for each in stop_start._all() for name in each["Names"] if "qd-lease" in name]


def test_of_two_whole_deploys_one_is_done_and_the_other_refused(stop_start: StopStart, tmp_path: Path) -> None:
    shutil.copytree(stop_start.home / "xdg", tmp_path / "xdg")
    folders = [stop_start.home, tmp_path]
    for number in range(DEPLOYS):
        wanted = stop_start.other()
        argv = [*COMMAND, "deploy", SERVICE, wanted, "--env", PLACE, "--yes"]
        both = [
            subprocess.Popen(
                argv, env=environment(home, {"XDG_CONFIG_HOME": str(home / "xdg"), "DOCKER_HOST": "unix:///no.sock"}),
                cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for home in folders
        ]  # fmt: skip
        told = [(*child.communicate(timeout=120), child.returncode) for child in both]
        assert sorted(code for *_, code in told) == [0, 3], told
        refused = next(out + err for out, err, code in told if code == 3)
        done = next(out for out, _, code in told if code == 0)
        assert done.split()[0] in refused, refused
        assert " since " in refused
        assert "root on " in refused or "by " in refused
        assert stop_start.serving() == {wanted}
        assert stop_start.left() == []
        print(f"deploy {number}: {refused.strip().splitlines()[-1]}")
