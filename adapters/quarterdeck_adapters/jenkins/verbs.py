"""The verbs of a controller by their ids, and why the others are not among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci.acting import Cannot
from quarterdeck_adapters.jenkins import builds, gates
from quarterdeck_adapters.jenkins.stopping import Cancel
from quarterdeck_lifecycle.ports import Action

if TYPE_CHECKING:
    from quarterdeck_adapters.jenkins.adapter import JenkinsSource

_NOT = {
    "job.cancel": "Jenkins ends a whole build, not a stage of it: cancel the run",
    "job.start": "Jenkins has no manual jobs: an input step is approved on its run",
    "job.rollback": "a stage of Jenkins keeps no older state: build an older version, or deploy it by its job",
    "job.hold": "Jenkins has no transitions between stages",
    "job.release": "Jenkins has no transitions between stages",
}


def verbs(source: JenkinsSource) -> Mapping[str, Action]:
    """All of them, for a source."""
    made: list[Action] = [
        builds.Trigger(source), builds.Rerun(source), builds.RerunFailed(source), builds.RestartStage(source),
        Cancel(source), gates.Approve(source), gates.Reject(source),
    ]  # fmt: skip
    known = {str(getattr(action, "verb", "")): action for action in made}
    return known | {verb: Cannot(source, verb, why, "job") for verb, why in _NOT.items()}
