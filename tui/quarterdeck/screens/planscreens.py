"""What the release dialog shows closer: commits, configuration, every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.screens.text import TextScreen
from quarterdeck.views.fmt import stamp
from quarterdeck.views.planwords import whole_lines
from quarterdeck_lifecycle.kinds import Commit
from quarterdeck_lifecycle.release.model import Plan

if TYPE_CHECKING:
    from quarterdeck.releasing.between import Found


def commit_lines(found: Found) -> list[str]:
    """A line each: those that come, then those that are taken back, then the files."""
    if found.between is None:
        return [found.words]
    lines = []
    for title, commits in (("come", found.between.commits), ("are taken back", found.between.gone)):
        if commits:
            lines.append(f"{len(commits)} {title}")
            lines += [f"  {one.sha[:7]}  {_at(one)}  {one.author:<14} {one.subject}" for one in commits]
            lines.append("")
    lines += [f"warning: {warning}" for warning in found.migrations]
    files = found.between.files
    return [*lines, f"{len(files)} files differ", *(f"  {name}" for name in files)]


def _at(commit: Commit) -> str:
    return stamp(commit.committed_at)[:16]


def config_lines(plan: Plan) -> list[str]:
    """Every difference of the configuration; secrets were masked when it was made."""
    return list(dict.fromkeys(plan.config)) or ["the same: image aside, nothing of the configuration differs"]


def plan_screen(plan: Plan, title: str = "") -> TextScreen:
    """The whole plan."""
    return TextScreen(title or f"dry run of {plan.kind} {plan.service}: nothing is sent", whole_lines(plan), wrap=True)
