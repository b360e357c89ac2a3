"""A remote that is a folder of this machine: its hooks would run here, as the operator."""

from __future__ import annotations

import os
from contextlib import suppress

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.git.command import Git, Opened, folders
from quarterdeck_adapters.git.safety import own_values
from quarterdeck_adapters.git.urls import folder_of
from quarterdeck_lifecycle.errors import Refused

_SERVER_HOOKS = ("pre-receive", "update", "post-receive", "post-update", "proc-receive", "reference-transaction",
                 "push-to-checkout")  # fmt: skip


async def refuse_hooks(git: Git, opened: Opened, url: str) -> None:
    """Raise Refused when the folder pushed to has hooks: they may be its policy, so they are not skipped either."""
    folder = os.path.normpath(os.path.join(opened.path, folder_of(url)))
    there = await git.open(folder)
    if own_values(there.settings, r"core\.hookspath|receive\.procreceiverefs"):
        found = "hooks in another folder"
    else:
        found = await call(
            lambda: _hooks(folder), deadline=git.deadline, source=git.source, what="looking at the remote's hooks"
        )
    if any(s.value.lower() == "updateinstead" for s in own_values(there.settings, r"receive\.denycurrentbranch")):
        found = found or "a work tree that a push updates"
    if found:
        raise Refused(
            f"the remote {folder} is a folder of this machine with {found}", source=git.source,
            why="they would run here as you", mend="if you trust it, push in a shell",
        )  # fmt: skip


def _hooks(folder: str) -> str:
    _, common = folders(folder)
    with suppress(OSError):
        names = sorted(set(os.listdir(os.path.join(common, "hooks"))) & set(_SERVER_HOOKS))
        active = [name for name in names if os.access(os.path.join(common, "hooks", name), os.X_OK)]
        return f"the hooks {', '.join(active)}" if active else ""
    return ""
