"""A repository that comes from anywhere runs nothing: every trap stays untouched, whatever is asked of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from parts.gitrepo import commit, commit_there, git, init, only, record_json, ref, source, with_remote
from quarterdeck_adapters.git.safety import Setting, environment, overrides
from quarterdeck_lifecycle.errors import QuarterdeckError, Refused
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.records import Ref, Status

HOOKS = (
    "applypatch-msg", "commit-msg", "fsmonitor-watchman", "post-applypatch", "post-checkout", "post-commit",
    "post-index-change", "post-merge", "post-rewrite", "pre-applypatch", "pre-auto-gc", "pre-commit", "pre-push",
    "pre-rebase", "prepare-commit-msg", "reference-transaction", "sendemail-validate",
)  # fmt: skip
TRAPS = {
    "core.fsmonitor", "core.sshCommand", "core.gitProxy", "core.askPass", "core.editor", "core.pager",
    "core.alternateRefsCommand", "sequence.editor", "credential.helper", "credential.http://127.0.0.1.helper",
    "diff.external", "diff.trap.command", "diff.trap.textconv", "filter.trap.clean", "filter.trap.smudge",
    "filter.trap=odd.clean", "filter.long.process", "merge.trap.driver", "gpg.program", "gpg.ssh.program",
    "gpg.ssh.defaultKeyCommand", "interactive.diffFilter", "pager.log", "pager.status", "trailer.x.command",
    "remote.origin.uploadpack", "remote.origin.receivepack", "submodule.sub.update", "alias.status",
    "uploadpack.packObjectsHook", "gc.recentObjectsHook",
}  # fmt: skip


class Trapped:
    """A repository in which everything that can be named in config or hooks leaves a mark when it runs."""

    def __init__(self, root: Path) -> None:
        self.marks = root / "marks"
        self.marks.mkdir()
        self.work, self.bare = with_remote(root)
        (self.work / ".gitattributes").write_text(
            "*.txt filter=trap diff=trap merge=trap\n*.bin filter=long\n*.odd filter=trap=odd\n"
        )
        commit(self.work, "a.bin", "binary\n")
        commit(self.work, "a.odd", "odd\n")
        git(self.work, "add", ".gitattributes")
        git(self.work, "commit", "-q", "-m", "attributes")
        git(self.work, "branch", "other")
        git(self.work, "push", "-q", "origin", "main")
        self.theirs = commit_there(self.bare, root)
        self.set_traps()

    def program(self, name: str) -> str:
        """A program that leaves a mark of this name."""
        path = self.marks.parent / f"trap-{name.replace('/', '_').replace(':', '_')}"
        path.write_text(f'#!/bin/sh\n: > "{self.marks}/{name.replace("/", "_")}"\n')
        path.chmod(0o755)
        return str(path)

    def set_traps(self) -> None:
        """Set every trap."""
        config = self.work / ".git" / "config"
        lines = []
        for key in sorted(TRAPS - {"core.pager"}):
            section, _, name = key.rpartition(".")
            head, _, sub = section.partition(".")
            value = f"!{self.program(key)}" if key.startswith(("alias", "submodule")) else self.program(key)
            lines.append(f"[{head}{f' {chr(34)}{sub}{chr(34)}' if sub else ''}]\n\t{name} = {value}\n")
        extra = self.work / ".git" / "extra"
        extra.write_text(f"[core]\n\tpager = {self.program('core.pager')}\n[log]\n\tshowSignature = true\n")
        # Before the remote's own section: git takes the first upload-pack that it reads.
        config.write_text("".join(lines) + config.read_text() + "[include]\n\tpath = extra\n[tag]\n\tgpgSign = true\n")
        hooks = self.work / ".git" / "hooks"
        hooks.mkdir(exist_ok=True)
        for name in HOOKS:
            (hooks / name).symlink_to(self.program(f"hook {name}"))
        (self.work / "file.txt").write_text("changed\n")
        (self.work / "a.bin").write_text("changed\n")
        (self.work / "a.odd").write_text("changed\n")

    def sprung(self) -> set[str]:
        """The traps that ran since the last look."""
        found = {path.name for path in self.marks.iterdir()}
        for name in found:
            (self.marks / name).unlink()
        return found


@pytest.fixture
def trapped(tmp_path: Path) -> Trapped:
    return Trapped(tmp_path)


def test_the_traps_are_live(trapped: Trapped) -> None:
    for line in ("status", "diff -- file.txt", "diff -- a.odd", "diff -- a.bin", "fetch", "switch -c third"):
        subprocess.run(["git", "-C", trapped.work, *line.split()], capture_output=True, check=False, timeout=30)
    assert {
        "core.fsmonitor", "filter.trap.clean", "filter.trap=odd.clean", "diff.external",
        "filter.long.process", "remote.origin.uploadpack", "hook post-checkout", "hook reference-transaction",
    } <= trapped.sprung()  # fmt: skip


async def test_reading_runs_nothing(trapped: Trapped) -> None:
    made = source(trapped.work)
    row = await only(made)
    assert (row.status, row.changed) == (Status.LOOK, 3)
    sections = {section.title: section for section in await made.describe(row.ref)}
    assert "+changed" in sections["Diff"].text
    listing, _ = await made.children(row.ref)
    for commit_row in listing.rows:
        await made.describe(commit_row.ref)
    await made.probe()
    assert trapped.sprung() == set()


async def test_it_is_disarmed_from_the_moment_it_is_trusted(
    trapped: Trapped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(trapped.work, "config", "--unset", "include.path")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    made = source(trapped.work)
    assert (await only(made)).state == "untrusted"
    git(tmp_path, "config", "--global", "--add", "safe.directory", str(trapped.work))
    row = await only(made)
    await made.describe(row.ref)
    assert row.changed == 3
    assert trapped.sprung() == set()


async def test_every_verb_runs_nothing(trapped: Trapped) -> None:
    made = source(trapped.work)
    row = await only(made)

    async def do(verb: str, **args: str) -> None:
        action = made.actions[f"repository.{verb}"]
        preview = await action.preview(row.ref, args)
        with permit("git"):
            await action.execute(preview)
        outcome = await action.verify(preview)
        assert outcome.verified, (verb, outcome)

    await do("fetch")
    await do("pull")
    assert (await only(made)).head == trapped.theirs
    await do("tag", name="v1", message="a message")
    assert trapped.sprung() == set()
    quiet = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
    git(trapped.work, *quiet, "commit", "-q", "--allow-empty", "-m", "mine")
    trapped.sprung()
    push = await made.actions["repository.push"].preview(row.ref, {})
    assert "pre-push" in push.warnings[0]
    await do("push")
    await do("switch", branch="other")
    assert trapped.sprung() == set()


async def test_a_remote_named_as_a_program_is_not_run(tmp_path: Path) -> None:
    marks = tmp_path / "mark"
    work, _ = with_remote(tmp_path)
    for address in (f"ext::touch {marks}", f"--upload-pack=touch {marks}", f"ssh://-oProxyCommand=touch {marks}/x"):
        git(work, "config", "remote.origin.url", address)
        made = source(work, deadline=5)
        action = made.actions["repository.fetch"]
        preview = await action.preview(ref(work), {})
        with permit("git"), pytest.raises(QuarterdeckError):
            await action.execute(preview)
    assert not marks.exists()


async def test_a_push_into_a_folder_with_hooks_is_refused(tmp_path: Path) -> None:
    work, bare = with_remote(tmp_path)
    mark = tmp_path / "mark"
    hook = bare / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n: > {mark}\n")
    hook.chmod(0o755)
    commit(work, text="two\n")
    made = source(work)
    with pytest.raises(Refused, match="post-receive"):
        await made.actions["repository.push"].preview(ref(work), {})
    assert not mark.exists()


async def test_a_hidden_work_tree_is_not_touched(tmp_path: Path) -> None:
    work, bare = with_remote(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    git(work, "config", "core.worktree", str(elsewhere))
    commit_there(bare, tmp_path)
    made = source(work)
    row = await only(made)
    assert row.status is Status.BAD
    assert "elsewhere" in row.note
    with pytest.raises(QuarterdeckError):
        await made.actions["repository.pull"].preview(row.ref, {})
    assert list(elsewhere.iterdir()) == []


async def test_nothing_is_written_without_a_permit(tmp_path: Path) -> None:
    work, bare = with_remote(tmp_path)
    sha = commit_there(bare, tmp_path)
    made = source(work)
    for verb, args in (("fetch", {}), ("pull", {}), ("tag", {"name": "v1"})):
        action = made.actions[f"repository.{verb}"]
        preview = await action.preview(ref(work), args)
        with pytest.raises(Refused):
            await action.execute(preview)
    assert git(work, "tag") == ""
    assert sha not in git(work, "for-each-ref")


async def test_hostile_names_are_shown_and_do_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "\x1b]0;owned\x07[@click=app.quit]x[/]"
    work = init(folder)
    (work / "-rf \n\x1b[31m.txt").write_text("x\n")
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "subject \x1b]52;c;eA==\x07 \u202e", env={"GIT_AUTHOR_NAME": "\x9b31m[/x"})
    git(work, "tag", "@click=app.quit]x")
    (work / "-rf \n\x1b[31m.txt").write_text("y\x1b[2J\n")
    made = source(work)
    row = await only(made)
    (again,) = (await made.list("repository")).rows
    assert again == row
    assert row.ref.id == os.fsdecode(folder)
    shown = [row.name, row.subject, row.author, row.path, row.note]
    for section in await made.describe(row.ref):
        shown += [section.text, section.note, *(cell for cells in section.table for cell in cells)]
    assert any("@click=app.quit]x" in text for text in shown)
    assert all(c in "\n\t" or c.isprintable() for text in shown for c in text)
    assert Ref.parse(str(row.ref)) == row.ref


async def test_odd_names_are_refused(tmp_path: Path) -> None:
    work, _ = with_remote(tmp_path)
    made = source(work)
    for name in ("-x", "--force", "a..b", "a b", "", "@{-1}", "x.lock", "\x1b[31m", "a~1", "refs/../x"):
        for verb, args in (
            ("tag", {"name": name}),
            ("switch", {"branch": name}),
            ("checkout_pull_request", {"number": name}),
        ):
            with pytest.raises(Refused):
                await made.actions[f"repository.{verb}"].preview(ref(work), args)


async def test_a_repository_of_nobody_here_is_not_opened(tmp_path: Path) -> None:
    mine, _ = with_remote(tmp_path, "mine")
    other, _ = with_remote(tmp_path, "other")
    made = source(mine)
    with pytest.raises(QuarterdeckError, match="is not a repository of git"):
        await made.describe(ref(other))
    with pytest.raises(QuarterdeckError, match="is not a repository of git"):
        await made.actions["repository.tag"].preview(ref(other), {"name": "v1"})


async def test_credentials_of_a_remote_are_never_shown(tmp_path: Path) -> None:
    work, _ = with_remote(tmp_path)
    secret = "gently-canary-7731"
    git(work, "config", "remote.origin.url", f"https://joe:{secret}@github.com/Acme/fraud-api.git?token={secret}")
    git(work, "config", "branch.main.remote", f"https://{secret}@127.0.0.1:1/x")
    made = source(work)
    row = await only(made)
    shown = record_json(row) + record_json(await made.describe(row.ref))
    action = made.actions["repository.fetch"]
    preview = await action.preview(row.ref, {})
    with permit("git"), pytest.raises(QuarterdeckError) as failed:
        await action.execute(preview)
    assert secret not in shown + preview.command + preview.title + str(preview.steps) + str(failed.value)
    git(work, "config", "branch.main.remote", "origin")
    row = await only(made)
    assert row.link("repository") == "github.com/Acme/fraud-api"
    assert row.url == "https://github.com/Acme/fraud-api"


def test_the_operators_own_programs_are_kept() -> None:
    settings = (
        Setting("global", "credential.https://github.com.helper", "!gh auth git-credential"),
        Setting("global", "filter.lfs.clean", "git-lfs clean -- %f"),
        Setting("global", "core.sshcommand", "ssh -F mine"),
        Setting("local", "credential.helper", "!evil"),
        Setting("local", "filter.lfs.clean", "evil"),
        Setting("local", "core.sshcommand", "evil"),
        Setting("local", "filter.evil.smudge", "evil"),
    )
    pairs = overrides(settings)
    assert ("filter.lfs.clean", "git-lfs clean -- %f") in pairs
    assert ("filter.evil.smudge", "") in pairs
    assert ("core.sshcommand", "ssh -F mine") in pairs
    helpers = [pair for pair in pairs if pair[0].startswith("credential")]
    assert helpers == [("credential.helper", ""), ("credential.https://github.com.helper", "!gh auth git-credential")]
    assert not any("evil" in value for _, value in pairs)
    env = environment({"GIT_DIR": "/elsewhere", "GIT_TRACE": "1", "PATH": "/bin"}, "/above", settings)
    assert "GIT_SSH_COMMAND" not in env
    assert "GIT_DIR" not in env
    assert "GIT_TRACE" not in env
    assert "BatchMode=yes" in environment({}, "/above")["GIT_SSH_COMMAND"]
