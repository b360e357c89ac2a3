"""Real runners, really started: they do their steps, end when told to, and leave nothing behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.localrig import Rig, python, step
from parts.operating import Bench
from quarterdeck.localruns import Logind, end_all
from quarterdeck_adapters.local import identity
from quarterdeck_adapters.local.runner import log_name
from quarterdeck_config.schema import LocalPipeline

STUBBORN = (
    "import signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "child = subprocess.Popen([sys.executable, '-I', '-c', 'import time; time.sleep(300)'], stdout=-3)\n"
    "print('ready', child.pid, flush=True)\n"
    "time.sleep(300)"
)
FACTS = (
    "import os, subprocess\n"
    "print(subprocess.Popen(['sleep', '300']).pid, flush=True)\n"
    "print(os.environ['CI'], os.environ['QUARTERDECK_STEP'], os.environ['X'], os.getcwd(), os.environ.get('SECRET'))\n"
    "open(os.environ['QUARTERDECK_LINKS'], 'w').write('version=fraud/19\\nnothing=x\\n')"
)
GATE = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)"
PIPELINES = {
    "check": LocalPipeline(
        steps=(python("facts", FACTS), python("fail", "print('a' * 3000); raise SystemExit(3)"), step("never")),
        inputs={"X": "1"},
    ),
    "stubborn": LocalPipeline(steps=(python("stubborn", STUBBORN), step("never"))),
    "gate": LocalPipeline(steps=(python("gate", GATE),)),
    "late": LocalPipeline(steps=(python("late", "import time; time.sleep(300)", timeout=0.2),)),
}  # fmt: skip


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path, PIPELINES)
    made.source.outliving = Logind(made.context.env)
    yield made
    end_all(made.book.path)


def gone(pid: int) -> bool:
    """Whether a process has ended, its remains apart."""
    return not identity.started(pid)


async def ready(rig: Rig) -> tuple[int, int, int]:
    """The pids of the stubborn run's runner, its step, and what that began."""
    log = rig.book.folder(rig.ref("stubborn", 1).id.partition("/")[0], 1) / log_name(0)
    kept = await rig.until(rig.ref("stubborn", 1), lambda _: log.exists() and b"\n" in log.read_bytes())
    return kept.state.pid, kept.state.steps[0].pid, int(log.read_text().split()[1])


async def test_steps_run_until_one_fails_and_all_of_it_is_written_down(rig: Rig) -> None:
    bench = Bench(rig.source, rig.folder / "s")
    rig.source.log_limit = 2000
    result = await bench.do("run.trigger", rig.ref("check", 0), inputs="X='a b'")
    assert result.result == "SUCCEEDED"
    assert result.message.startswith("run #1 is ")
    kept = await rig.until(rig.ref("check", 1), lambda kept: kept.state.result)
    assert (kept.state.result, kept.state.why) == ("failure", "fail: exit code 3")
    assert [(each.state, each.code) for each in kept.state.steps] == [("success", 0), ("failure", 3), ("", None)]
    assert kept.state.told == (("version", "fraud/19", 0),)
    lines, notices = await rig.log(rig.ref("check", 1))
    assert gone(int(lines[0]))
    assert lines[1] == f"true facts a b {rig.folder} s3"
    assert "[quarterdeck] this log has reached 2,000 bytes: from here on only its end is kept, and shown when the " \
           "step has ended" in lines  # fmt: skip
    assert notices[-1] == "check #1: failure: fail: exit code 3"
    assert oct(kept.folder.stat().st_mode & 0o777) == "0o700"
    assert await bench.phases() == [("intent", ""), ("outcome", "SUCCEEDED")]


async def test_a_cancel_ends_the_whole_group_even_where_term_is_ignored(rig: Rig) -> None:
    bench = Bench(rig.source, rig.folder / "s")
    assert (await bench.do("run.trigger", rig.ref("stubborn", 0))).result == "SUCCEEDED"
    pids = await ready(rig)
    runner, first, _ = pids
    assert os.getsid(runner) not in (os.getsid(0), os.getsid(first))
    os.kill(runner, signal.SIGHUP)
    os.kill(runner, signal.SIGINT)
    await rig.runs()
    result = await bench.do("run.cancel", rig.ref("stubborn", 1))
    assert (result.result, result.message) == ("SUCCEEDED", "it is cancelled")
    kept = await rig.until(rig.ref("stubborn", 1), lambda kept: not kept.alive)
    assert (kept.state.steps[0].code, kept.state.steps[1].state) == (-signal.SIGKILL, "")
    assert kept.state.why.startswith("by ")
    assert all(map(gone, pids))


async def test_what_a_killed_runner_left_is_lost_and_can_be_ended(rig: Rig) -> None:
    bench = Bench(rig.source, rig.folder / "s")
    await bench.do("run.trigger", rig.ref("stubborn", 0))
    runner, first, child = await ready(rig)
    os.kill(runner, signal.SIGKILL)
    await rig.until(rig.ref("stubborn", 1), lambda kept: kept.orphans)
    row = (await rig.runs())["stubborn #1"]
    assert (row.state, f"{first}" in row.note, f"{child}" in row.note) == ("lost", True, True), row.note
    result = await bench.do("run.cancel", row.ref, force="true")
    assert (result.result, result.message) == ("SUCCEEDED", "what was left of it is gone")
    assert gone(first)
    assert gone(child)
    assert (await rig.runs())["stubborn #1"].state == "lost"


async def test_a_second_run_waits_for_the_first_and_says_so(rig: Rig) -> None:
    bench = Bench(rig.source, rig.folder / "s")
    for number in (1, 2, 3):
        await bench.do("run.trigger", rig.ref("gate", 0))
        fits = (lambda kept: kept.state.current == 0) if number == 1 else (lambda kept: kept.state.waits)
        await rig.until(rig.ref("gate", number), fits)
    rows = await rig.runs()
    assert [(rows[f"gate #{n}"].state, rows[f"gate #{n}"].queued_for) for n in (1, 2)] == [
        ("running", ""), ("queued", "another run of this pipeline is under way"),
    ]  # fmt: skip
    assert (await bench.do("run.cancel", rig.ref("gate", 3))).message == "it is cancelled"
    (rig.folder / "go").touch()
    for number in (1, 2):
        kept = await rig.until(rig.ref("gate", number), lambda kept: kept.state.result)
        assert kept.state.result == "success"
    assert (await rig.source.kept(rig.ref("gate", 3))).state.steps[0].began is None


async def test_a_step_that_takes_too_long_is_ended_and_another_run_may_follow(rig: Rig) -> None:
    bench = Bench(rig.source, rig.folder / "s")
    for number in (1, 2):
        await bench.do("run.trigger", rig.ref("late", 0))
        kept = await rig.until(rig.ref("late", number), lambda kept: kept.state.result and not kept.alive)
        assert (kept.state.result, kept.state.why) == ("timed out", "late: not finished within 0.2 s")
        assert kept.state.steps[0].code == -signal.SIGTERM
        assert gone(kept.state.steps[0].pid)
