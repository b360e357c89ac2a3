"""`status --line`: told by a running deck through the state folder, read at once, and never asked of a system."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deckcase import deck
from parts.deckworld import COMMAND, environment, quarterdeck
from parts.process import DEADLINE
from quarterdeck.statusline import NOTHING, Teller, find, key_of, read
from quarterdeck_config.redact import REDACTOR
from quarterdeck_lifecycle.kinds import Alert
from quarterdeck_lifecycle.records import Ref, Status
from quarterdeck_lifecycle.statefolder import own_path
from scripted import Scripted, container

LIGHT = (
    "import atexit, sys; sys.argv[0] = 'quarterdeck'\n"
    "heavy = {'asyncio', 'click', 'textual', 'httpx', 'msgspec', 'yaml', 'json', 'sqlite3', 'pathlib', 'docker'}\n"
    "atexit.register(lambda: print(sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
    "from quarterdeck.cli import main\n"
    "main()"
)


def lines(home: Path) -> str:
    return own_path("line", environment(home))


def test_it_imports_nothing_heavy_and_says_when_nothing_is_known(tmp_path: Path) -> None:
    done = quarterdeck("status", "--line", home=tmp_path, command=(sys.executable, "-S", "-c", LIGHT))
    assert (done.code, done.out.strip(), done.err.strip()) == (4, NOTHING, "[]")


def test_a_live_deck_s_line_is_bare_and_that_of_a_gone_one_has_its_age(tmp_path: Path) -> None:
    folder = lines(tmp_path)
    teller = Teller(folder, str(tmp_path))
    assert teller.tell("fraud ✗2", 0, '{"counts": {"bad": 2}}')
    assert not Teller(folder, str(tmp_path)).tell("another deck of it", 0, "{}"), "the first one tells"
    done = quarterdeck("status", "--line", home=tmp_path)
    assert (done.code, done.out) == (0, "fraud ✗2\n")
    path = Path(folder) / key_of(str(tmp_path))
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    os.utime(path, (time.time() - 600,) * 2)
    assert quarterdeck("status", "--line", home=tmp_path).out == "fraud ✗2 (10m ago)\n", "a deck that hangs"
    teller.tell("fraud ✓", 4, '{"counts": {}}')
    teller.close()
    os.utime(path, (time.time() - 7200,) * 2)
    done = quarterdeck("status", "--line", "--json", home=tmp_path)
    assert (done.code, done.json) == (4, {"live": False, "age_s": pytest.approx(7200, abs=60), "counts": {}})
    assert quarterdeck("--read-only", "status", "--line", home=tmp_path).out == "fraud ✓ (2h ago)\n"


def test_the_project_around_the_folder_is_meant_else_a_deck_that_runs(tmp_path: Path) -> None:
    folder, now = lines(tmp_path), time.time()
    one, other = Teller(folder, "/p/one"), Teller(folder, "/p/other")
    one.tell("one", 0, "{}")
    other.tell("other", 0, "{}")
    one.close()

    def text(cwd: str) -> str:
        found = find(folder, cwd, now)
        assert found is not None
        return found.text

    assert (text("/p/one/below/it"), text("/p/other"), text("/elsewhere")) == ("one", "other", "other")
    other.close()
    assert len(os.fsencode(key_of("/" + "x" * 5000))) < 250
    planted = Path(folder) / key_of("/planted")
    planted.symlink_to("/etc/passwd")
    assert read(str(planted), now) is None
    assert find(str(tmp_path / "none"), "/", now) is None


def test_watch_prints_a_line_for_each_change_and_ends_with_its_reader(tmp_path: Path) -> None:
    teller = Teller(lines(tmp_path), str(tmp_path))
    teller.tell("first", 0, '{"n": 1}')
    child = subprocess.Popen(
        [*COMMAND, "status", "--line", "--watch", "--json"], env=environment(tmp_path), cwd=tmp_path,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert json.loads(child.stdout.readline()) == {"live": True, "age_s": None, "n": 1}
        teller.tell("second", 0, '{"n": 2}')
        assert json.loads(child.stdout.readline())["n"] == 2
        child.stdout.close()
        assert child.wait(DEADLINE) == 0
    finally:
        child.kill()
        child.wait()
        teller.close()


async def test_a_running_deck_tells_what_needs_its_operator_and_lets_go_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    REDACTOR.register("canary-of-lines-1")
    monkeypatch.setenv("QUARTERDECK_STATE", str(tmp_path / "state"))
    alert = Alert(
        ref=Ref("s", "alert", "1"), name="P95#(touch /x)High canary-of-lines-1", status=Status.BAD, state="firing"
    )
    path = Path(own_path("line")) / key_of(str(tmp_path))
    async with deck([Scripted(rows=[container("api")]), Scripted("s", rows=[alert], kind="alert")], cwd=tmp_path) as d:
        await d.until(lambda: path.exists(), "the line")
        line = read(str(path), time.time())
        assert line is not None
        assert line.live
        assert line.text.startswith("case ✗1 P95(touch /x)High ***"), "no '#' for tmux, no secret"
        assert "canary" not in line.details
    line = read(str(path), time.time())
    assert line is not None
    assert not line.live
    another = Teller(str(path.parent), str(tmp_path))
    assert another.tell("another deck's", 0, "{}")
    another.close()
