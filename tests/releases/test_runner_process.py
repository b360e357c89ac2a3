"""The runner as processes: whatever is killed, at whichever point, the operation ends settled, and only once."""

import os
import signal
import subprocess
import sys

import pytest

from parts.deckworld import environment
from parts.process import wait_until
from parts.releasing import ReleaseWorld, pid, reached, result
from quarterdeck.releasing.opfolder import OpFolder
from quarterdeck.runner_main import BUSY
from quarterdeck_lifecycle.release.model import Event


def in_hook(event: Event) -> bool:
    return "the hook waits" in event.message


def in_gate(event: Event) -> bool:
    return event.phase == "progress" and " gate " in event.step and "0 of 2 passes" in event.message


def kill(folder: OpFolder, *locks: str) -> None:
    """kill -9 of supervisor, worker or both, the supervisor first."""
    for found in [pid(folder, lock) for lock in locks]:
        os.kill(found, signal.SIGKILL)


def settled_once(world: ReleaseWorld) -> None:
    """The ledger is whole, nothing is open in it, and a second recovery changes nothing."""
    before = world.ledger()
    again = world.run("recover")
    assert (again.code, again.out.strip()) == (0, "nothing to recover: every operation has ended or has a runner")
    assert world.ledger() == before
    assert world.run("ledger", "--verify").code == 0


def at_the_gate(world: ReleaseWorld) -> OpFolder:
    """A deploy whose gate waits: the new one runs, the old one is stopped, the probe fails until `world.open`."""
    world.shut()
    folder = world.detached(world.other())
    reached(folder, in_gate)
    return folder


def test_a_worker_that_dies_before_the_switch_leaves_all_as_it_was(world: ReleaseWorld) -> None:
    world.waiting_hook()
    before = world.serving()
    folder = world.detached(world.other())
    reached(folder, in_hook)
    kill(folder, "worker")
    assert result(folder) == "FAILED"
    assert world.serving() == before
    settled_once(world)


def test_a_worker_that_dies_at_the_gate_is_put_back_at_once_by_its_supervisor(world: ReleaseWorld) -> None:
    before = world.serving()
    folder = at_the_gate(world)
    assert world.serving() != before
    kill(folder, "worker")
    world.open()
    assert result(folder) == "ROLLED_BACK"
    assert world.serving() == before
    settled_once(world)


def test_when_both_die_recover_puts_back_and_a_second_one_changes_nothing(world: ReleaseWorld) -> None:
    before = world.serving()
    folder = at_the_gate(world)
    kill(folder, "supervisor", "worker")
    wait_until(lambda: not folder.alive(), "both to be gone")
    attached = world.run("attach", folder.op[:13])
    assert attached.code == 1
    assert f"quarterdeck recover {folder.op}" in attached.err
    world.open()
    recovered = world.run("recover")
    assert recovered.code == 0, recovered.err
    assert recovered.out.startswith(f"{folder.op} ROLLED_BACK: its runner had stopped")
    assert world.serving() == before
    settled_once(world)


def test_the_next_deploy_settles_what_died_and_then_does_its_own(world: ReleaseWorld) -> None:
    wanted = world.other()
    folder = at_the_gate(world)
    kill(folder, "supervisor", "worker")
    world.open()
    done = world.release("deploy", wanted)
    assert done.code == 0, done.err
    assert f"operation {folder.op} had lost its runner: ROLLED_BACK" in done.err
    assert result(folder) == "ROLLED_BACK"
    settled_once(world)


def test_a_supervisor_that_dies_leaves_its_worker_to_finish(world: ReleaseWorld) -> None:
    go = world.waiting_hook()
    folder = world.detached(world.other())
    reached(folder, in_hook)
    kill(folder, "supervisor")
    assert folder.alive()
    go.touch()
    assert result(folder) == "SUCCEEDED"
    settled_once(world)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_neither_hang_up_nor_interrupt_ends_it(world: ReleaseWorld, number: signal.Signals) -> None:
    go = world.waiting_hook()
    folder = world.detached(world.other())
    reached(folder, in_hook)
    processes = [pid(folder, "supervisor"), pid(folder, "worker")]
    for process in processes:
        os.kill(process, number)
    assert [pid(folder, "supervisor"), pid(folder, "worker")] == processes
    go.touch()
    assert result(folder) == "SUCCEEDED"
    assert not [event for event in folder.events() if "recover" in event.message]


def test_a_runner_has_a_session_of_its_own_and_no_terminal(world: ReleaseWorld) -> None:
    world.waiting_hook()
    folder = world.detached(world.other())
    reached(folder, in_hook)
    supervisor, worker = pid(folder, "supervisor"), pid(folder, "worker")
    assert os.getsid(supervisor) not in (os.getsid(0), supervisor)  # the leader has gone: no terminal can be had
    assert os.getsid(worker) == os.getsid(supervisor)
    for process in (supervisor, worker):
        assert os.readlink(f"/proc/{process}/fd/0") == os.devnull
        assert os.readlink(f"/proc/{process}/fd/1") == str(folder.path / "output")


def test_sigterm_is_an_abort(world: ReleaseWorld) -> None:
    before = world.serving()
    folder = at_the_gate(world)
    world.open()
    os.kill(pid(folder, "supervisor"), signal.SIGTERM)
    assert result(folder) in ("ABORTED", "ROLLED_BACK")
    assert world.serving() == before
    settled_once(world)


def test_a_recovery_that_fails_thrice_is_left_for_the_operator(world: ReleaseWorld) -> None:
    folder = at_the_gate(world)
    with world.state_hidden():
        kill(folder, "worker")
        wait_until(lambda: not folder.alive(), "the supervisor to give up")
    assert (folder.path / "output").read_text().count("the worker ended with") == 4
    world.open()
    recovered = world.run("recover", folder.op)
    assert recovered.out.startswith(f"{folder.op} ROLLED_BACK")
    settled_once(world)


def test_only_one_worker_at_a_time(world: ReleaseWorld) -> None:
    go = world.waiting_hook()
    folder = world.detached(world.other())
    reached(folder, in_hook)
    worker = pid(folder, "worker")
    assert world.run("recover", folder.op).out.startswith("nothing to recover")
    second = [sys.executable, "-I", "-m", "quarterdeck.runner_main", folder.op, "--state", str(world.state), "--worker"]
    done = subprocess.run([*second, "--recover"], env=environment(world.home, world.env), timeout=60, check=False)
    assert done.returncode == BUSY
    assert pid(folder, "worker") == worker
    go.touch()
    assert result(folder) == "SUCCEEDED"
