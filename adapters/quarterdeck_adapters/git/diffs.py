"""Diffs: unified, bounded, made by git alone (no external diff, no text conversion)."""

from __future__ import annotations

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.git.command import Git, Opened
from quarterdeck_lifecycle.ports import Section

LIMIT = 2 * 1024 * 1024
DEADLINE_S = 10.0
PATCH = (
    "--no-ext-diff", "--no-textconv", "--no-color", "--submodule=short", "--ignore-submodules=dirty",
    "--src-prefix=a/", "--dst-prefix=b/",
)  # fmt: skip


async def diff_section(git: Git, opened: Opened, title: str, *commands: tuple[str, ...] | str) -> Section:
    """The diffs of several commands as one tab; a string between them is a heading for the next that is not empty.

    Cut at 2 MB; what is cut is drained, so it costs time and no memory.
    """
    parts: list[bytes] = []
    heading, room, cut = "", LIMIT, False
    for command in commands:
        if isinstance(command, str):
            heading = command
            continue
        ended = await git.run(opened, *command, limit=max(room, 1), deadline=DEADLINE_S)
        if ended.stdout:
            parts += [f"# {heading}\n".encode(), ended.stdout] if heading else [ended.stdout]
            room -= len(ended.stdout)
        cut = cut or ended.truncated
        heading = ""

    def made() -> Section:
        text = b"".join(parts).decode("utf-8", "replace")
        note = f"the first {LIMIT // 1024 // 1024} MB of a longer diff" if cut else "" if text else "no difference"
        return Section(title=title, shape="diff", text=text, note=note)

    return await call(made, deadline=DEADLINE_S, source=git.source, what="showing the diff")
