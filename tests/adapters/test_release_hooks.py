"""Hooks: real programs, bounded in time and output, ended with what they started."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from parts.process import wait_until
from quarterdeck_adapters.releasing.hooks import KEPT, HookRunner
from quarterdeck_config.redact import Redactor
from quarterdeck_lifecycle.errors import Conflict, Timeout, ToolMissing, Unavailable
from quarterdeck_lifecycle.release.ports import Hooks

PATIENT = 30.0


class Said(list[str]):
    """What was told while it ran."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = asyncio.Event()

    async def __call__(self, line: str) -> None:
        self.append(line)
        self.heard.set()


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", code, *arguments)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_it_runs_hooks() -> None:
    hooks: Hooks = HookRunner()
    assert hooks


async def test_output_facts_and_end(tmp_path: Path) -> None:
    said = Said()
    code = (
        "import os, sys; print(os.getcwd()); print(os.environ['QUARTERDECK_OP'], os.environ['QUARTERDECK_RESULT']);"
        "print(os.environ['KEPT_TOO'], file=sys.stderr); print(repr(sys.stdin.read()))"
    )
    runner = HookRunner(env={"KEPT_TOO": "yes"}, cwd=str(tmp_path))
    facts = {"op": "20261123T1-ab", "QUARTERDECK_RESULT": "SUCCEEDED", "reason": "two\nlines\0"}
    ended = await runner.run(python(code), PATIENT, facts, said)
    assert sorted(said) == sorted([str(tmp_path), "20261123T1-ab SUCCEEDED", "yes", "''"])
    assert ended.endswith("exit code 0, 4 lines of output")


async def test_it_has_no_input() -> None:
    reading, writing = os.pipe()
    kept = os.dup(0)
    os.dup2(reading, 0)
    try:
        os.write(writing, b"y\n")
        said = Said()
        await HookRunner().run(python("import sys; print(repr(sys.stdin.readline()))"), PATIENT, {}, said)
        assert said == ["''"]
    finally:
        os.dup2(kept, 0)
        for each in (reading, writing, kept):
            os.close(each)


async def test_the_runners_own_environment_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM", "ml")
    said = Said()
    await HookRunner().run(python("import os; print(os.environ['TEAM'])"), PATIENT, {}, said)
    assert said == ["ml"]


async def test_no_shell_reads_it() -> None:
    said = Said()
    hostile = "$(id) `id` ; id | id > /tmp/x \n -rf"
    await HookRunner().run(python("import sys; print(ascii(sys.argv[1]))", hostile), PATIENT, {}, said)
    assert said == [ascii(hostile)]


async def test_a_failure_tells_the_code_and_the_last_lines() -> None:
    code = "import sys\nfor n in range(60): print('line', n)\nsys.exit(3)"
    with pytest.raises(Conflict) as failed:
        await HookRunner().run(python(code), PATIENT, {}, Said())
    why = failed.value.why.splitlines()
    assert why[0] == "exit code 3"
    assert why[1:] == [f"line {n}" for n in range(40, 60)]


async def test_a_signal_is_told() -> None:
    with pytest.raises(Conflict, match=r"ended by signal 9 \(Killed\)"):
        await HookRunner().run(python("import os; os.kill(os.getpid(), 9)"), PATIENT, {}, Said())


async def test_what_is_said_is_gated_and_redacted() -> None:
    redactor = Redactor()
    redactor.register("hunter22")
    code = (
        "import sys; print('\\x1b]0;title\\x07hunter22'); print('-----BEGIN RSA PRIVATE KEY-----\\nMIIEabc\\n"
        "-----END RSA PRIVATE KEY-----\\nafter'); sys.exit(sys.argv[1])"
    )
    said = Said()
    with pytest.raises(Conflict) as failed:
        await HookRunner(redactor=redactor).run(python(code, "hunter22"), PATIENT, {}, said)
    assert "hunter22" not in str(failed.value)
    assert "MIIEabc" not in str(failed.value)
    assert "hunter22" not in "".join(said)
    assert "␛***" in said
    assert "MIIEabc" not in "".join(said)
    assert "after" in said


async def test_a_flood_is_bounded() -> None:
    lines = 5000
    said = Said()
    ended = await HookRunner().run(python(f"for n in range({lines}): print('line', n)"), PATIENT, {}, said)
    assert said[:KEPT] == [f"line {n}" for n in range(KEPT)]
    assert said[KEPT] == f"… {lines - 2 * KEPT} lines of output are left out"
    assert said[KEPT + 1 :] == [f"line {n}" for n in range(lines - KEPT, lines)]
    assert f"{lines} lines" in ended


async def test_a_little_more_than_is_told_is_told_at_the_end() -> None:
    said = Said()
    await HookRunner().run(python(f"for n in range({KEPT + 3}): print(n)"), PATIENT, {}, said)
    assert said == [str(n) for n in range(KEPT + 3)]


async def test_a_line_without_an_end_is_bounded() -> None:
    said = Said()
    await HookRunner().run(python("import sys; sys.stdout.write('x' * 3_000_000)"), PATIENT, {}, said)
    assert len(said) == 1
    assert len(said[0]) <= 2000


CHILD = (
    "import os, subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-I', '-S', '-c', 'import time; time.sleep(600)'])\n"
    "print(child.pid, os.getpid(), flush=True)\n"
)


async def test_a_hang_ends_with_all_of_its_group() -> None:
    said = Said()
    with pytest.raises(Timeout, match=r"not finished within 1\.5 s\n\d+ \d+"):
        await HookRunner().run(python(CHILD + "time.sleep(600)"), 1.5, {}, said)
    child, program = map(int, said[0].split())
    assert gone(program)
    await vanished(child)


async def test_a_cancelled_wait_ends_it() -> None:
    said = Said()
    task = asyncio.ensure_future(HookRunner().run(python(CHILD + "time.sleep(600)"), PATIENT, {}, said))
    await asyncio.wait_for(said.heard.wait(), PATIENT)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    child, program = map(int, said[0].split())
    assert gone(program)
    await vanished(child)


async def test_children_left_behind_do_not_hold_it() -> None:
    said = Said()
    ended = await HookRunner().run(python(CHILD), PATIENT, {}, said)
    assert "exit code 0" in ended
    await vanished(int(said[0].split()[0]))


async def vanished(pid: int) -> None:
    """Wait until a killed process is gone; whoever inherits it takes a moment."""
    await asyncio.to_thread(wait_until, lambda: gone(pid), f"the end of {pid}")


async def test_what_cannot_start(tmp_path: Path) -> None:
    run = HookRunner().run
    with pytest.raises(ToolMissing, match="is not there"):
        await run([str(tmp_path / "none")], PATIENT, {}, Said())
    with pytest.raises(Unavailable, match="no program"):
        await run([], PATIENT, {}, Said())
    plain = tmp_path / "plain"
    plain.write_text("#!/bin/sh\n")
    with pytest.raises(Unavailable, match="did not start"):
        await run([str(plain)], PATIENT, {}, Said())
    with pytest.raises(Unavailable, match="is gone"):
        await HookRunner(cwd=str(tmp_path / "nowhere")).run(["true"], PATIENT, {}, Said())


async def test_nothing_is_left_open() -> None:
    said = Said()
    before = os.listdir("/proc/self/fd")
    escaping = CHILD.replace("sleep(600)'])", "sleep(600)'], start_new_session=True)")
    try:
        await HookRunner().run(python(escaping), PATIENT, {}, said)
        with pytest.raises(ToolMissing):
            await HookRunner().run(["/nowhere/none"], PATIENT, {}, Said())
        await asyncio.sleep(0)
        assert len(os.listdir("/proc/self/fd")) <= len(before)
    finally:
        os.kill(int(said[0].split()[0]), signal.SIGKILL)
