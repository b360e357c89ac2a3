"""The commands of releases against the practice world: what is printed, in which order, and how each ends."""

import asyncio
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parts.deckworld import COMMAND, environment
from parts.process import wait_until
from parts.pty import Pty
from parts.releasing import ReleaseWorld, pid, reached, result
from quarterdeck_demo.faults import Reset
from quarterdeck_lifecycle.actor import Actor
from quarterdeck_lifecycle.release.store import Store
from quarterdeck_lifecycle.state import StateDB

UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
HOSTILE = ("$(touch pwned);`touch pwned`", "--help", "a\nb'\"", "é" * 300)


@pytest.fixture
def on_terminal(world: ReleaseWorld) -> Iterator[Callable[..., Pty]]:
    """Run a command of the world's operator on a terminal."""
    with_env = environment(world.home, world.env)
    opened: list[Pty] = []

    def start(*arguments: str) -> Pty:
        pty = Pty([*COMMAND, *arguments], 200, 40, env=with_env, cwd=world.home, home=world.home)
        pty.start()
        opened.append(pty)
        return pty

    yield start
    for pty in opened:
        pty.close()


def waits(event: Any) -> bool:
    return "the hook waits" in event.message


def newest(world: ReleaseWorld, than: int) -> Any:
    """The folder of the operation that was begun after `than` others."""
    return wait_until(lambda: world.operations()[than:], "an operation")[-1]


# what a run prints and writes


def test_a_dry_run_prints_the_steps_that_the_ledger_then_holds_and_touches_nothing(world: ReleaseWorld) -> None:
    wanted = world.other()
    before = (world.serving(), world.ledger(), world.operations())
    planned = world.release("deploy", wanted, "--dry-run", "--json").json
    assert (world.serving(), world.ledger(), world.operations()) == before
    done = world.release("deploy", wanted, "--json")
    assert done.code == 0, done.err
    op = done.lines[0]["op"]
    printed = list(reversed(world.run("ledger", "--json").lines))
    assert printed == world.ledger()
    steps = [row["step"] for row in printed if row["op"] == op and row["step"] and row["phase"] == "intent"]
    assert steps == [step["id"] for step in planned["steps"]]
    assert len(steps) > 8


def test_the_stream_is_that_of_the_contract_and_attach_repeats_it_from_its_first_byte(world: ReleaseWorld) -> None:
    done = world.release("deploy", world.other(), "--json", "--reason", "because")
    *events, last = done.lines
    assert set(events[0]) == {"op", "seq", "at", "step", "phase", "message"}
    assert {event["op"] for event in events} == {last["op"]}
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert (last["result"], done.code) == ("SUCCEEDED", 0)
    assert "because" in events[0]["message"]
    again = world.run("attach", last["op"][:23], "--json")
    assert (again.out, again.code) == (done.out, 0)


def test_for_people_the_operation_is_printed_first_then_a_line_a_step(world: ReleaseWorld) -> None:
    done = world.release("deploy", world.other())
    first, *rest = done.out.splitlines()
    assert [folder.op for folder in world.operations()][-1] == first
    steps = [line for line in rest if line.startswith("✓ ")]
    assert steps[0].startswith("✓ 01 lease  ")
    assert all(" s of " in line for line in steps)
    assert rest[-1].startswith("SUCCEEDED: fraud-api runs ")
    report = world.run("report", first)
    assert report.code == 0
    assert report.out.startswith("# deploy of fraud-api in staging: SUCCEEDED\n")
    for part in ("## Plan", "## Steps", "## Samples and progress", "## Ledger", "put back to: ", first, "03 pull"):
        assert part in report.out


def test_a_rollback_goes_back_to_what_was_proven(world: ReleaseWorld) -> None:
    before = [image for _, image in world.serving()]
    assert world.release("deploy", world.other()).code == 0
    assert [image for _, image in world.serving()] != before
    done = world.release("rollback")
    assert done.code == 0, done.err
    assert [image for _, image in world.serving()] == before


def test_a_gate_that_does_not_pass_puts_back_and_says_so(world: ReleaseWorld) -> None:
    before = [image for _, image in world.serving()]
    world.configure(lambda config: config["services"]["fraud-api"]["gate"].update(within="500ms"))
    world.shut()
    many = len(world.operations())
    child = world.begin("deploy", "fraud-api", world.other(), "--env", "staging", "--yes", "--json")
    folder = newest(world, many)
    reached(folder, lambda event: event.step.startswith("b") and event.phase == "intent")
    world.open()
    out, _ = child.communicate()
    assert (child.returncode, json.loads(out.splitlines()[-1])["result"]) == (1, "ROLLED_BACK")
    assert [image for _, image in world.serving()] == before
    report = world.run("report", folder.op).out
    assert "ROLLED\\_BACK" in report
    assert "## Evidence: " in report


# who may


def test_nothing_is_sent_without_a_yes_a_name_and_a_reason(world: ReleaseWorld) -> None:
    prod = ("deploy", "fraud-api", "1.42.0", "--env", "prod")
    before = len(world.operations())
    for arguments, said in (
        (("deploy", "fraud-api", world.other(), "--env", "staging"), "no terminal to ask on: --yes"),
        (prod, "prod is protected; --yes --reason TEXT opens it for this command"),
        ((*prod, "--yes"), "prod is protected; --yes --reason TEXT opens it"),
        ((*prod, "--yes", "--reason", "fix"), "prod is protected: --confirm fraud-api"),
        ((*prod, "--yes", "--reason", "fix", "--confirm", "fraud"), "prod is protected: --confirm fraud-api"),
    ):
        done = world.run(*arguments)
        assert (done.code, said in done.err, done.out) == (3, True, ""), (arguments, done)
        refused = world.ledger()[-1]
        assert (refused["phase"], refused["action"]) == ("refused", "release.deploy")
    done = world.run("--read-only", *prod, "--yes", "--reason", "fix", "--confirm", "fraud-api", "--json")
    assert (done.code, done.lines[-1]["result"]) == (3, "REFUSED")
    assert "--read-only" in done.err
    assert len(world.operations()) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("deploy", "fraud-api", "1.41.0"), "--env prod|staging|dev"),
        (("deploy", "fraud-api", "1.41.0", "--env", "moon"), "has no environment moon"),
        (("deploy", "nothing", "1.41.0"), "no service is called nothing"),
        (("rollback", "nothing"), "no service is called nothing"),
        (("freeze", "fraud-api", "--env", "staging"), "--reason"),
        (("freeze", "fraud-api", "--env", "staging", "--reason", "x", "--until", "yesterday"), "--until"),
        (("promote", "fraud", "16"), "--alias"),
    ],
)
def test_a_wrong_use_ends_with_2_and_the_right_one(world: ReleaseWorld, arguments: tuple[str, ...], said: str) -> None:
    done = world.run(*arguments)
    assert (done.code, said in done.err) == (2, True), done


def test_a_second_deploy_is_told_who_and_how_to_attach(world: ReleaseWorld) -> None:
    world.waiting_hook()
    folder = world.detached(world.other())
    reached(folder, waits)
    second = world.release("deploy", "1.41.0", "--json")
    assert (second.code, second.lines[-1]["result"]) == (3, "REFUSED")
    for part in (folder.op, "by ", "since 2", "hook-pre", f"quarterdeck attach {folder.op}"):
        assert part in second.err
    assert [found.op for found in world.operations()][-1] == folder.op


def test_a_freeze_blocks_deploys_until_its_maker_takes_it_away(world: ReleaseWorld) -> None:
    frozen = world.run("freeze", "fraud-api", "--env", "staging", "--reason", "black friday", "--until", "2h")
    assert frozen.code == 0
    try:
        done = world.release("deploy", world.other())
        assert done.code == 3
        assert "black friday" in done.err
    finally:
        assert world.run("unfreeze", "fraud-api", "--env", "staging").code == 0
    assert world.run("unfreeze", "fraud-api", "--env", "staging").code == 1
    assert {"release.freeze", "release.unfreeze"} <= {row["action"] for row in world.ledger()}
    assert world.release("deploy", world.other()).code == 0


def test_the_config_can_freeze_an_environment(world: ReleaseWorld) -> None:
    def freeze(config: dict[str, Any]) -> None:
        config["environments"]["staging"]["freeze"] = {"reason": "inventory", "end": "2999-01-01T00:00:00Z"}

    world.configure(freeze)
    for verb in (("deploy", world.other()), ("rollback",)):
        done = world.release(*verb)
        assert (done.code, "inventory" in done.err) == (3, True), done


def test_another_users_approval_lets_it_go_on_and_ones_own_is_refused(world: ReleaseWorld) -> None:
    world.configure(lambda config: config["environments"]["staging"].update(approval=True))
    folder = world.detached(world.other())
    reached(folder, lambda event: "waits for the approval" in event.message)
    own = world.run("approve", folder.op)
    assert (own.code, "four eyes" in own.err) == (3, True)

    async def approve() -> None:
        db = StateDB(world.state)
        store = Store(db)
        row = await store.operation(folder.op)
        assert row.state == "waiting"
        await store.approve(row, row.decoded().digest(), Actor(user="somebody-else", origin="local", host="x"))
        await db.aclose()

    asyncio.run(approve())
    assert result(folder) == "SUCCEEDED"
    assert any("approved by somebody-else" in event.message for event in folder.events())


def test_a_project_that_is_not_trusted_cannot_be_released(world: ReleaseWorld, tmp_path: Path) -> None:
    pwn = {"pre": {"argv": ["touch", str(tmp_path / "pwned")]}}
    service = {
        "image": "127.0.0.1:5000/team/x", "probe": "none", "hooks": pwn,
        "environments": {"dev": {"targets": [{"kind": "container", "source": "engine", "name": "dev-etl"}]}},
    }  # fmt: skip
    project = tmp_path / "quarterdeck.yaml"
    project.write_text(json.dumps({"services": {"hostile": service}}))
    done = world.run("deploy", "hostile", "1", "--yes", cwd=tmp_path)
    assert (done.code, "quarterdeck trust" in done.err) == (3, True), done
    assert not (tmp_path / "pwned").exists()


# what is asked of a running one


def test_an_abort_before_the_switch_ends_aborted_with_all_as_it_was(world: ReleaseWorld) -> None:
    before = world.serving()
    world.waiting_hook()
    folder = world.detached(world.other())
    reached(folder, waits)
    done = world.run("abort", folder.op, "--reason", "wrong tag")
    assert done.code == 0, done
    assert result(folder) == "ABORTED"
    assert "wrong tag" in done.out
    assert world.serving() == before
    again = world.run("abort", folder.op)
    assert (again.code, "has ended" in again.err) == (3, True)


def test_leaving_a_waiting_command_leaves_the_operation(world: ReleaseWorld) -> None:
    go = world.waiting_hook()
    for number, code in ((signal.SIGINT, 130), (signal.SIGHUP, -1), (signal.SIGKILL, -9)):
        go.unlink(missing_ok=True)
        many = len(world.operations())
        child = world.begin("deploy", "fraud-api", world.other(), "--env", "staging", "--yes")
        folder = newest(world, many)
        reached(folder, waits)
        assert child.stdout is not None
        assert child.stdout.readline().strip() == folder.op
        runner = pid(folder, "worker")
        child.send_signal(number)
        child.communicate()
        assert child.returncode == code
        assert pid(folder, "worker") == runner
        go.touch()
        assert result(folder) == "SUCCEEDED"


def test_ctrl_c_asks_and_abort_puts_back(world: ReleaseWorld, on_terminal: Callable[..., Pty]) -> None:
    before = world.serving()
    world.waiting_hook()
    terminal = on_terminal("deploy", "fraud-api", world.other(), "--env", "staging")
    terminal.wait_for("y confirms")
    terminal.write("y\n")
    terminal.wait_for("the hook waits")
    terminal.write("\x03")
    terminal.wait_for("[d] detach")
    terminal.write("a\n")
    terminal.wait_for("abort asked")
    assert terminal.wait_exit() == 1
    assert "ABORTED" in terminal.screen()
    assert world.serving() == before


def test_ctrl_c_twice_detaches_and_the_operation_goes_on(world: ReleaseWorld, on_terminal: Callable[..., Pty]) -> None:
    go = world.waiting_hook()
    many = len(world.operations())
    terminal = on_terminal("deploy", "fraud-api", world.other(), "--env", "staging", "--yes")
    terminal.wait_for("the hook waits")
    terminal.write("\x03")
    terminal.wait_for("[d] detach")
    terminal.write("\x03")
    assert terminal.wait_exit() == 130
    folder = newest(world, many)
    assert f"quarterdeck attach {folder.op}" in terminal.screen().replace("\n", "")
    go.touch()
    assert result(folder) == "SUCCEEDED"


# what fails outside


def test_a_tag_that_is_not_there_and_hostile_ones_change_nothing(world: ReleaseWorld) -> None:
    before, many = world.serving(), len(world.operations())
    for wanted in ("9.9.9", *HOSTILE):
        done = world.run("deploy", "--env", "staging", "--yes", "--", "fraud-api", wanted)
        assert done.code in (1, 3), (wanted, done)
        assert "Traceback" not in done.err
    assert (world.serving(), len(world.operations())) == (before, many)
    assert not list(world.home.rglob("pwned"))


def test_with_the_registry_off_a_deploy_is_unavailable_and_a_rollback_works(world: ReleaseWorld) -> None:
    assert world.release("deploy", world.other()).code == 0
    before = world.serving()
    world.fault("docker", Reset(), path="/distribution/|/images/create")
    try:
        done = world.release("deploy", "9.9.9")
        assert (done.code, "asking the registry" in done.err) == (4, True), done
        assert world.serving() == before
        assert world.release("rollback").code == 0
        assert world.serving() != before
    finally:
        world.well()


def test_a_disk_that_is_full_for_the_state_releases_nothing(world: ReleaseWorld) -> None:
    before = world.serving()
    with world.state_hidden():
        done = world.release("deploy", world.other())
    assert done.code == 1, done
    assert str(world.state) in done.err
    assert world.serving() == before
