"""Programs that take the terminal and give it back, the calls that were made, and the kubeconfig that is found."""

from __future__ import annotations

import json
import shlex
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from deckcase import Deck, deck
from quarterdeck_config.kubeconfig import read_kube
from quarterdeck_config.redact import REDACTOR
from quarterdeck_config.schema import Command, Config
from quarterdeck_lifecycle.calls import CALLS, CallLog, shown
from quarterdeck_lifecycle.kinds import Repository
from quarterdeck_lifecycle.ledger import Filter
from quarterdeck_lifecycle.records import Link, Ref
from scripted import Does, Scripted, container

KUBE = """\
apiVersion: v1
kind: Config
current-context: prod
clusters: [{name: c1, cluster: {server: https://10.0.0.1:6443, certificate-authority-data: AAAA}}]
users: [{name: me, user: {exec: {command: touch, args: [SENTINEL], apiVersion: client.authentication.k8s.io/v1}}}]
contexts:
  - {name: staging, context: {cluster: c1, user: me, namespace: team}}
  - {name: prod, context: {cluster: c1, user: me}}
"""


def writer(folder: Path) -> tuple[str, ...]:
    """A program that writes down how it was called."""
    script = "import json, os, sys; json.dump([sys.argv[2:], os.environ.get('ROW')], open(sys.argv[1], 'w'))"
    return sys.executable, "-c", script, str(folder / "called")


def called(folder: Path) -> object:
    return json.loads((folder / "called").read_text())


async def ledger(d: Deck, action: str) -> list[tuple[str, str, str]]:
    rows = await d.app.boot.ledger.rows(Filter(contains=action), limit=20)
    return [(row.phase, row.ref, row.result) for row in reversed(rows) if row.action == action]


async def test_a_command_of_the_config_runs_on_the_row_under_its_key_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = writer(tmp_path)
    commands = {
        "note": Command(argv=(*argv, "{name}"), scopes=("container",), key="f6", confirm=False, env={"ROW": "{ref}"}),
        "wipe": Command(argv=(*argv, "{name}", "!"), scopes=("container",), key="f7", dangerous=True),
    }
    async with deck([Scripted(rows=[container("a $(id) b")])], config=Config(commands=commands)) as d:
        monkeypatch.setattr(d.app, "suspend", nullcontext)
        ref = str(d.app.deck.pane.ref)
        await d.press("f6")
        assert called(tmp_path) == [["a $(id) b"], ref]
        assert await ledger(d, "commands.note") == [
            ("intent", ref, ""), ("outcome", ref, "SUCCEEDED: exit code 0"),
        ]  # fmt: skip
        await d.press("f7")
        assert "type the name to go on: a $(id) b" in d.text
        await d.press("escape")
        assert called(tmp_path) == [["a $(id) b"], ref], "nothing ran without the name"
        await d.press(":")
        assert "note" in await d.burst("wip") or "commands.wipe" in d.text
        await d.press("escape", "?")
        assert "F6" in d.text.upper()


async def test_a_dangerous_command_and_a_free_program_are_refused_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = writer(tmp_path)
    config = Config(commands={"wipe": Command(argv=(*argv, "{name}"), scopes=("container",), key="f7", dangerous=True)})
    async with deck([Scripted(rows=[container("api")])], config=config, read_only=True) as d:
        monkeypatch.setattr(d.app, "suspend", nullcontext)
        await d.press("f7")
        assert any("--read-only" in toast for toast in d.toasts)
        await d.press(":")
        await d.burst("!" + shlex.join(argv), "enter")
        assert not (tmp_path / "called").exists()
        assert [phase for phase, *_ in await ledger(d, "commands.wipe")] == ["refused"]


async def test_a_program_behind_an_exclamation_mark_gets_its_words_and_no_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with deck([Scripted(rows=[container("api")])]) as d:
        monkeypatch.setattr(d.app, "suspend", nullcontext)
        await d.press(":")
        await d.burst("!" + shlex.join(writer(tmp_path)) + " $HOME 'a;b' *", "enter")
        await d.until(lambda: any("ended with 0" in toast for toast in d.toasts))
        assert called(tmp_path) == [["$HOME", "a;b", "*"], None]
        await d.press(":")
        await d.burst("!no-such-program-here", "enter")
        await d.until(lambda: any("not installed" in toast for toast in d.toasts))
        assert d.app.history[-1] == "!no-such-program-here"


async def test_the_calls_are_listed_newest_first_filtered_and_without_secrets() -> None:
    REDACTOR.register("canary-of-calls-1")
    began = time.monotonic()
    CALLS.add("prom", "GET", "http://u:pw9@127.0.0.1:9090/api?token=canary-of-calls-1", began, 200)
    CALLS.add("engine", "POST", "/containers/x/restart", began, 409)
    async with deck([Scripted(rows=[container("api")])], size=(120, 24)) as d:
        await d.press(":")
        text = await d.burst("log", "enter")
        assert text.index("/containers/x/restart") < text.index("/api?token=***")
        assert "409" in text
        assert "canary-of-calls-1" not in text
        assert "pw9" not in text
        await d.press("/")
        text = await d.burst("prom", "enter")
        assert "/containers/x/restart" not in text
        assert "/api?token=***" in text
        text = await d.press("enter")
        assert "http://***@127.0.0.1:9090/api?token=***" in text


def test_the_ring_of_calls_is_bounded_and_a_call_that_raises_is_kept() -> None:
    log = CallLog(kept=3)
    for number in range(5):
        with log.call("s", "GET", f"/{number}") as call:
            call.status = 200
    with pytest.raises(TimeoutError), log.call("s", "GET", "/last"):
        raise TimeoutError
    assert [(call.target, call.status) for call in log.newest()] == [
        ("/last", "TimeoutError"), ("/4", "200"), ("/3", "200"),
    ]  # fmt: skip
    assert [call.failed for call in log.newest()] == [True, False, False]
    log.add("s", "git", "\x1b]0;x\x07", time.monotonic(), 1)
    assert log.newest()[0].failed
    assert "\x1b" not in shown(log.newest()[0]).target


async def test_a_kubeconfig_is_shown_as_data_and_opens_k9s_for_a_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(KUBE.replace("SENTINEL", str(tmp_path / "ran")))
    programs = tmp_path / "bin"
    programs.mkdir()
    k9s = programs / "k9s"
    k9s.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/args\n')
    k9s.chmod(0o755)
    async with deck([Scripted(rows=[container("api")])], size=(100, 24)) as d:
        monkeypatch.setattr(d.app, "suspend", nullcontext)
        d.app.boot.env |= {"KUBECONFIG": str(file), "PATH": f"{programs}:/usr/bin:/bin"}
        await d.press(":")
        text = await d.burst("kube", "enter")
        assert text.index("prod") < text.index("staging"), "the current one first"
        assert "https://10.0.0.1:6443" in text
        await d.press("j", "enter")
        assert (tmp_path / "args").read_text() == "--context=staging\n"
        assert not (tmp_path / "ran").exists(), "no exec plugin of it was run"


def test_kubeconfigs_are_merged_as_kubectl_does_and_a_broken_one_is_said(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text(KUBE)
    two.write_text("current-context: x\ncontexts: [{name: prod, context: {cluster: other}}, {name: x, context: {}}]\n")
    kube = read_kube({"KUBECONFIG": f"{one}:{two}:{tmp_path}/none", "HOME": str(tmp_path)})
    assert [(c.name, c.cluster, c.current, c.sign_in) for c in kube.contexts] == [
        ("prod", "c1", True, "exec plugin"), ("staging", "c1", False, "exec plugin"), ("x", "", False, ""),
    ]  # fmt: skip
    two.write_text("contexts: [")
    assert len(read_kube({"KUBECONFIG": f"{two}", "HOME": str(tmp_path)}).problems) == 1
    assert read_kube({"HOME": str(tmp_path)}).files == ()


async def test_a_preview_is_copied_as_the_command_that_does_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    world = Scripted(rows=[container("a b'c")])
    world.actions["container.restart"] = Does(world, "container.restart")
    async with deck([world]) as d:
        await d.press("R")
        assert "Y copies it as a command" in d.text
        await d.press("Y")
        await d.until(lambda: d.app.clipboard)
        ref = str(d.app.deck.pane.ref)
        assert shlex.split(d.app.clipboard) == ["quarterdeck", "do", "container.restart", ref]
        assert not world.actions["container.restart"].executed


async def test_o_hands_on_a_page_of_what_owns_the_row_and_tells_of_a_foreign_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    made = Link(kind="commit", value="9f3c2e1", evidence="label")
    repo = Repository(
        ref=Ref("git", "repository", "/x"), name="api", path="/x", links=(made,), url="https://forge.example/a/api"
    )
    sources = [
        Scripted(rows=[container("api", links=(made,)), container("bad", url="https://evil.example/x")]),
        Scripted("git", rows=[repo], kind="repository", system="git"),
    ]
    async with deck(sources) as d:
        await d.press("g", "o")
        await d.until(lambda: d.app.clipboard == "https://forge.example/a/api", "the repository's page")
        await d.press("d", "o", "escape", "j", "o")
        assert d.toasts[-1].startswith("no source and no remote of yours is on evil.example")
        assert d.app.clipboard == "https://forge.example/a/api"
