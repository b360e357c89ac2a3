"""Fetch, pull (fast-forward only) and push (never forced): between a repository and its upstream's remote."""

from __future__ import annotations

import os
from collections.abc import Mapping

from quarterdeck_adapters.git.acting import GitAction
from quarterdeck_adapters.git.command import Opened, remote_urls
from quarterdeck_adapters.git.folder_remote import refuse_hooks
from quarterdeck_adapters.git.urls import is_folder, shown
from quarterdeck_lifecycle.errors import Refused, Unsupported
from quarterdeck_lifecycle.kinds import Repository
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref


def fetching(action: GitAction, opened: Opened, remote: str) -> tuple[str, ...]:
    """The arguments of `git fetch` for a remote."""
    far = action.git.far_end(opened, remote, "upload")
    return ("fetch", "--prune", "--no-recurse-submodules", *far, "--", remote)


class Fetch(GitAction):
    """`git fetch --prune` of the upstream's remote (https://git-scm.com/docs/git-fetch)."""

    verb = "repository.fetch"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        seen = await self.see(ref)
        remote = self.remote(seen.opened, seen.record.branch)
        command = fetching(self, seen.opened, remote)
        mirrors = any(s.key == f"remote.{remote}.fetch" and ":refs/heads" in s.value for s in seen.opened.settings)
        return Preview(
            verb=self.verb, ref=ref, record=seen.record, args=dict(args), token=seen.token,
            title=f"fetch {shown(remote)} into {seen.record.name}",
            steps=(self.step(seen.opened, *command),),
            warnings=("this remote is fetched straight into the branches here",) if mirrors else (),
            before=seen.record.upstream_head[:10], after=f"the remote-tracking branches equal {shown(remote)}'s",
            why_no_inverse="remote-tracking branches only mirror the remote",
            command=self.git.line(seen.opened, *command),
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        opened = await self.compare(preview)
        return await self.write(opened, *fetching(self, opened, self.remote(opened, preview.token.branch)))

    async def verify(self, preview: Preview) -> Outcome:
        now = await self.owner.read(preview.ref)
        opened = await self.owner.open(preview.ref)
        if now.upstream_head and now.branch:
            remote, theirs = upstream_of(self, opened, now.branch)
            sha = (await self.sha_there(opened, remote, theirs)).get(theirs, "")
            message = f"{now.upstream} is at {now.upstream_head[:10]}: {now.ahead} ahead, {now.behind} behind"
            return Outcome(verified=sha == now.upstream_head, message=message, observed=now.upstream_head)
        before = preview.record.fetched_at if isinstance(preview.record, Repository) else None
        fetched = now.fetched_at is not None and now.fetched_at != before
        return Outcome(verified=fetched, message="fetched" if fetched else "no fetch is on record")


def upstream_of(action: GitAction, opened: Opened, branch: str) -> tuple[str, str]:
    """The remote of a branch's upstream and the branch's full name there. Raises Refused, Unsupported."""
    remote, theirs = opened.value(f"branch.{branch}.remote"), opened.value(f"branch.{branch}.merge")
    if not remote or not theirs:
        raise Refused(
            f"{branch} has no upstream", source=action.owner.name, mend=f"git push -u origin {branch}, in a shell"
        )
    if remote == ".":
        raise Unsupported(f"the upstream of {branch} is a branch of the same repository", source=action.owner.name)
    return remote, theirs


def _lacks_upstream(record: Record) -> str | None:
    if isinstance(record, Repository) and record.ahead is None:
        return f"no upstream: git push -u origin {record.branch}, in a shell"
    return None


class Pull(Fetch):
    """A fetch, then `git merge --ff-only` of the upstream (https://git-scm.com/docs/git-merge)."""

    verb = "repository.pull"
    touches_files = True
    needs_branch = True

    def permitted(self, record: Record) -> str | None:
        why = super().permitted(record) or _lacks_upstream(record)
        if why is None and isinstance(record, Repository) and record.ahead and record.behind:
            return "it has diverged: rebase or merge in a shell"
        return why

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        seen = await self.see(ref)
        remote, _ = upstream_of(self, seen.opened, seen.record.branch)
        commands = fetching(self, seen.opened, remote), await self._merging(seen.opened)
        incoming = await self.commits(seen.opened, "HEAD..@{upstream}")
        carried = len(seen.tree.entries)
        return Preview(
            verb=self.verb, ref=ref, record=seen.record, args=dict(args), token=seen.token,
            title=f"pull {seen.record.branch} of {seen.record.name}, fast-forward only",
            steps=tuple(self.step(seen.opened, *command) for command in commands),
            impact=(*incoming, "and what the fetch brings"),
            warnings=(f"{carried} changed files stay as they are, or git refuses",) if carried else (),
            before=seen.record.head[:10], after=f"{seen.record.branch} equals {seen.record.upstream}",
            why_no_inverse=f"in a shell: git reset --keep {seen.record.head[:10]}",
            command=" && ".join(self.git.line(seen.opened, *command) for command in commands),
        )  # fmt: skip

    async def _merging(self, opened: Opened) -> tuple[str, ...]:
        full = await self.git.text(opened, "rev-parse", "--symbolic-full-name", "@{upstream}")
        return ("merge", "--ff-only", "--no-autostash", "--no-verify-signatures", "--no-stat", full)

    async def execute(self, preview: Preview) -> str:
        opened = await self.compare(preview)
        merging = await self._merging(opened)
        remote, _ = upstream_of(self, opened, preview.token.branch)
        await self.write(opened, *fetching(self, opened, remote))
        return await self.write(opened, *merging)

    async def verify(self, preview: Preview) -> Outcome:
        now = await self.owner.read(preview.ref)
        done = now.branch == preview.token.branch and now.behind == 0 and not now.operation
        was = preview.token.head
        moved = "is up to date" if now.head == was else f"moved {was[:10]}..{now.head[:10]}"
        message = f"{now.branch} {moved}" if done else f"{now.branch} is {now.behind} behind {now.upstream}"
        return Outcome(verified=done, message=message, observed=now.head)


class Push(GitAction):
    """`git push` of exactly the commit that was previewed, to the upstream (https://git-scm.com/docs/git-push)."""

    verb = "repository.push"
    needs_branch = True

    def permitted(self, record: Record) -> str | None:
        why = super().permitted(record) or _lacks_upstream(record)
        if why is None and isinstance(record, Repository):
            if record.behind:
                return f"{record.behind} behind {record.upstream}: pull first"
            if not record.ahead:
                return f"nothing to push: it equals {record.upstream}"
        return why

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        seen = await self.see(ref)
        record = seen.record
        remote, theirs = upstream_of(self, seen.opened, record.branch)
        command = await self._pushing(seen.opened, record.branch, record.head)
        warnings = []
        if pre_push := hook(seen.opened, "pre-push"):
            warnings.append(f"the hook {pre_push} is skipped: no program of the repository runs here")
        return Preview(
            verb=self.verb, ref=ref, record=record, args=dict(args), token=seen.token,
            title=f"push {record.branch} of {record.name} to {shown(remote)}",
            steps=(self.step(seen.opened, *command),),
            impact=await self.commits(seen.opened, "@{upstream}..HEAD"),
            warnings=tuple(warnings),
            before=record.upstream_head[:10], after=f"{theirs} at {shown(remote)} is {record.head[:10]}",
            why_no_inverse="others may have fetched it: git revert makes a commit that undoes one",
            command=self.git.line(seen.opened, *command),
        )  # fmt: skip

    async def _pushing(self, opened: Opened, branch: str, head: str) -> tuple[str, ...]:
        remote, theirs = upstream_of(self, opened, branch)
        urls = remote_urls(opened, remote, push=True)
        if len(urls) > 1:
            raise Unsupported(f"{shown(remote)} has {len(urls)} addresses to push to", source=self.owner.name,
                              mend="push in a shell")  # fmt: skip
        if is_folder(urls[0]):
            await refuse_hooks(self.git, opened, urls[0])
        far = self.git.far_end(opened, remote, "receive")
        return (
            "push", "--no-verify", "--no-recurse-submodules", "--no-signed", "--no-follow-tags", *far,
            "--", remote, f"{head}:{theirs}",
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        opened = await self.compare(preview)
        return await self.write(opened, *await self._pushing(opened, preview.token.branch, preview.token.head))

    async def verify(self, preview: Preview) -> Outcome:
        opened = await self.owner.open(preview.ref)
        remote, theirs = upstream_of(self, opened, preview.token.branch)
        sha = (await self.sha_there(opened, remote, theirs)).get(theirs, "")
        done = sha == preview.token.head
        message = f"{theirs.removeprefix('refs/heads/')} at {shown(remote)} is {sha[:10] or 'not there'}"
        return Outcome(verified=done, message=message, observed=sha)


def hook(opened: Opened, name: str) -> str:
    """The path of a hook that git alone would run, or an empty string."""
    named = [s.value for s in opened.settings if s.key == "core.hookspath" and s.scope != "command"]
    folder = os.path.expanduser(named[-1]) if named else os.path.join(opened.common_dir, "hooks")
    path = os.path.join(opened.path, folder, name)
    return path if os.access(path, os.X_OK) and os.path.isfile(path) else ""
