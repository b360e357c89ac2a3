"""Switch to a branch, make a tag, check out a change request."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from quarterdeck_adapters.git.acting import GitAction, Seen
from quarterdeck_adapters.git.command import Opened
from quarterdeck_adapters.git.reading import remote_names
from quarterdeck_adapters.git.safety import value_of
from quarterdeck_adapters.git.urls import shown
from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref

SWITCH = ("switch", "--no-guess", "--no-recurse-submodules", "--no-progress")
CHANGE_REQUESTS = ("refs/pull/{}/head", "refs/merge-requests/{}/head")
"""GitHub's and GitLab's refs for the head of a change request."""


def _back(seen: Seen) -> tuple[tuple[str, dict[str, str]] | None, str]:
    if seen.record.branch:
        return ("repository.switch", {"branch": seen.record.branch}), ""
    return None, f"HEAD was detached: git switch --detach {seen.record.head[:10]}"


def _carried(seen: Seen) -> tuple[str, ...]:
    count = len(seen.tree.entries)
    return (f"{count} changed files are carried over, or git refuses",) if count else ()


class Switch(GitAction):
    """`git switch` to a branch here, or to a new one that follows a remote's (https://git-scm.com/docs/git-switch)."""

    verb = "repository.switch"
    touches_files = True

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        seen = await self.see(ref)
        branch = args.get("branch", "").strip()
        command, target = await self._switching(seen.opened, branch)
        if branch == seen.record.branch:
            raise Refused(f"{seen.record.name} is on {branch} already", source=self.owner.name)
        inverse, why = _back(seen)
        return Preview(
            verb=self.verb, ref=ref, record=seen.record, args={**args, "branch": branch},
            token=msgspec.structs.replace(seen.token, target=target),
            title=f"switch {seen.record.name} to {branch}",
            steps=(self.step(seen.opened, *command),),
            impact=(f"the files of {branch} at {target[:10]}",), warnings=_carried(seen),
            before=seen.record.branch or seen.record.head[:10], after=f"HEAD is {branch} at {target[:10]}",
            inverse=inverse, why_no_inverse=why, command=self.git.line(seen.opened, *command),
        )  # fmt: skip

    async def _switching(self, opened: Opened, branch: str) -> tuple[tuple[str, ...], str]:
        await self.valid(opened, f"refs/heads/{branch}", "branch")
        if here := await self.sha(opened, f"refs/heads/{branch}"):
            return (*SWITCH, branch), here
        found = {name: await self.sha(opened, f"refs/remotes/{name}/{branch}") for name in remote_names(opened)[:20]}
        there = [(name, sha) for name, sha in found.items() if sha]
        if len(there) > 1:
            raise Conflict(f"{branch} is on several remotes", source=self.owner.name,
                           why=", ".join(name for name, _ in there), mend="make the branch in a shell")  # fmt: skip
        if not there:
            raise NotFound(f"no branch {branch}", source=self.owner.name, mend="fetch, or make it in a shell")
        name, sha = there[0]
        return (*SWITCH, "--track=direct", "-c", branch, f"refs/remotes/{name}/{branch}"), sha

    async def execute(self, preview: Preview) -> str:
        opened = await self.compare(preview)
        command, target = await self._switching(opened, preview.args["branch"])
        if target != preview.token.target:
            why = "the branch moved since it was looked at"
            raise Conflict(f"{self.verb} was not run", source=self.owner.name, why=why, mend="look again")
        return await self.write(opened, *command)

    async def verify(self, preview: Preview) -> Outcome:
        return await self.on(preview, preview.args["branch"])

    async def on(self, preview: Preview, branch: str) -> Outcome:
        """Whether HEAD is the branch, at the commit that was previewed."""
        now = await self.owner.read(preview.ref)
        done = now.branch == branch and now.head == preview.token.target
        message = f"{now.name} is on {now.branch or 'no branch'} at {now.head[:10]}"
        return Outcome(verified=done, message=message, observed=now.head)


class Tag(GitAction):
    """`git tag` on HEAD, annotated when there is a message (https://git-scm.com/docs/git-tag)."""

    verb = "repository.tag"

    def permitted(self, record: Record) -> str | None:
        why = super().permitted(record)
        return why or (None if getattr(record, "head", "") else "there is no commit yet")

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        seen = await self.see(ref)
        name = args.get("name", "").strip()
        await self.valid(seen.opened, f"refs/tags/{name}", "tag")
        known = await self.sha(seen.opened, f"refs/tags/{name}")
        if known:
            why = f"it is at {known[:10]}"
            raise Conflict(f"the tag {name} is there", source=self.owner.name, why=why, mend="choose another name")
        command = self._tagging(name, args.get("message", "").strip(), seen.record.head)
        signs = value_of(seen.opened.settings, "tag.gpgsign", trusted_only=True).lower() in ("true", "1", "yes", "on")
        return Preview(
            verb=self.verb, ref=ref, record=seen.record, args={**args, "name": name}, token=seen.token,
            title=f"tag {seen.record.head[:10]} of {seen.record.name} as {name}",
            steps=(self.step(seen.opened, *command),),
            warnings=("it is not signed, though tag.gpgSign is set: nothing may prompt here",) if signs else (),
            after=f"{name} is {seen.record.head[:10]}",
            why_no_inverse=f"it is not pushed; in a shell: git tag -d {name}",
            command=self.git.line(seen.opened, *command),
        )  # fmt: skip

    def _tagging(self, name: str, message: str, head: str) -> tuple[str, ...]:
        return ("tag", "--no-sign", *(("-a", "-m", message) if message else ()), "--", name, head)

    async def execute(self, preview: Preview) -> str:
        opened = await self.compare(preview)
        message = preview.args.get("message", "").strip()
        return await self.write(opened, *self._tagging(preview.args["name"], message, preview.token.head))

    async def verify(self, preview: Preview) -> Outcome:
        opened = await self.owner.open(preview.ref)
        sha = await self.sha(opened, f"refs/tags/{preview.args['name']}")
        message = f"{preview.args['name']} is {sha[:10]}" if sha else f"{preview.args['name']} is not there"
        return Outcome(verified=sha == preview.token.head, message=message, observed=sha)


class CheckOut(Switch):
    """Fetch the head of a pull or merge request into the branch `pr-N`, and switch to it."""

    verb = "repository.checkout_pull_request"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        number = args.get("number", "").strip().removeprefix("pr:").lstrip("#!")
        if not re.fullmatch(r"[1-9][0-9]{0,9}", number):
            raise Refused(f"{number!r} is no number of a change request", source=self.owner.name)
        seen = await self.see(ref)
        remote, branch = self.remote(seen.opened, seen.record.branch), f"pr-{number}"
        if seen.record.branch == branch:
            why = f"{seen.record.name} is on {branch} already"
            raise Refused("nothing to check out", source=self.owner.name, why=why, mend="pull it in a shell")
        theirs, sha = await self._there(seen.opened, remote, number)
        commands = self._checking_out(seen.opened, remote, theirs, branch)
        inverse, why = _back(seen)
        return Preview(
            verb=self.verb, ref=ref, record=seen.record, args={**args, "number": number},
            token=msgspec.structs.replace(seen.token, target=sha),
            title=f"check out change request {number} of {seen.record.name}",
            steps=tuple(self.step(seen.opened, *command) for command in commands),
            impact=(f"branch {branch} at {sha[:10]}",), warnings=_carried(seen),
            before=seen.record.branch or seen.record.head[:10], after=f"HEAD is {branch} at {sha[:10]}",
            inverse=inverse, why_no_inverse=why,
            command=" && ".join(self.git.line(seen.opened, *command) for command in commands),
        )  # fmt: skip

    async def _there(self, opened: Opened, remote: str, number: str) -> tuple[str, str]:
        refs = [template.format(number) for template in CHANGE_REQUESTS]
        found = await self.sha_there(opened, remote, *refs)
        if not found:
            raise NotFound(f"{shown(remote)} has no change request {number}", source=self.owner.name)
        return next(iter(found.items()))

    def _checking_out(self, opened: Opened, remote: str, theirs: str, branch: str) -> tuple[tuple[str, ...], ...]:
        far = self.git.far_end(opened, remote, "upload")
        fetch = ("fetch", "--no-recurse-submodules", "--no-tags", *far, "--", remote, f"{theirs}:refs/heads/{branch}")
        return fetch, (*SWITCH, branch)

    async def execute(self, preview: Preview) -> str:
        opened = await self.compare(preview)
        number = preview.args["number"]
        branch, remote = f"pr-{number}", self.remote(opened, preview.token.branch)
        theirs, sha = await self._there(opened, remote, number)
        if sha != preview.token.target:
            why = "the change request moved since it was looked at"
            raise Conflict(f"{self.verb} was not run", source=self.owner.name, why=why, mend="look again")
        fetch, switch = self._checking_out(opened, remote, theirs, branch)
        await self.write(opened, *fetch)
        return await self.write(opened, *switch)

    async def verify(self, preview: Preview) -> Outcome:
        return await self.on(preview, f"pr-{preview.args['number']}")
