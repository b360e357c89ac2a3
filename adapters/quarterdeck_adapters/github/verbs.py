"""Every mutation of this system, and those that it has not, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci.acting import Cannot
from quarterdeck_adapters.github import dispatch, gates, job_actions, pull_actions, run_actions
from quarterdeck_lifecycle.ports import Action

if TYPE_CHECKING:
    from quarterdeck_adapters.github.adapter import GithubSource

_STAGES = "GitHub has no stages with transitions: it has environments, whose approvals are on the run"
CANNOT = {
    "job.cancel": "GitHub cancels a whole run only: cancel the run of this job",
    "job.start": "GitHub has no manual jobs: what waits for an environment is approved on its run",
    "job.rollback": "GitHub rolls no job back: deploy the earlier deployment again",
    "job.hold": _STAGES,
    "job.release": _STAGES,
}


def of(source: GithubSource) -> Mapping[str, Action]:
    """The mutations of a source by the ids of their verbs. Checking out a pull request is git's."""
    made = (
        run_actions.Rerun(source), run_actions.RerunFailed(source), run_actions.Cancel(source),
        dispatch.Trigger(source), gates.Approve(source), gates.Reject(source), job_actions.RerunJob(source),
        gates.ApproveDeployment(source), gates.RejectDeployment(source), job_actions.Redeploy(source),
        pull_actions.Approve(source), pull_actions.Merge(source),
    )  # fmt: skip
    found: dict[str, Action] = {action.verb: action for action in made}
    for verb, why in CANNOT.items():
        found[verb] = Cannot(source, verb, why, kind=verb.partition(".")[0])
    return found
