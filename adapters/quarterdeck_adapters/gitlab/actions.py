"""The verbs of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck_adapters.ci.acting import Cannot
from quarterdeck_adapters.gitlab.approving import ApproveDeployment, ApproveRun, RejectDeployment, RejectRun
from quarterdeck_adapters.gitlab.deploy_actions import Redeploy
from quarterdeck_adapters.gitlab.job_actions import CancelJob, RerunJob, StartJob
from quarterdeck_adapters.gitlab.merge_actions import Approve, Merge
from quarterdeck_adapters.gitlab.run_actions import Cancel, RerunFailed
from quarterdeck_adapters.gitlab.trigger import Rerun, Trigger
from quarterdeck_lifecycle.ports import Action

if TYPE_CHECKING:
    from quarterdeck_adapters.gitlab.adapter import GitlabSource

Verb = (
    Rerun | RerunFailed | Cancel | ApproveRun | RejectRun | Trigger | RerunJob | CancelJob | StartJob
    | ApproveDeployment | RejectDeployment | Redeploy | Approve | Merge
)  # fmt: skip
BACK = "GitLab has no rollback of a stage: deploy an older deployment again, on the Deployments tab"
GATES = "GitLab has no switch between stages: a manual job is its gate"


def made(source: GitlabSource) -> dict[str, Action]:
    """Every verb by its id, those that GitLab has not with the reason."""
    can: tuple[Verb, ...] = (
        Rerun(source), RerunFailed(source), Cancel(source), ApproveRun(source), RejectRun(source), Trigger(source),
        RerunJob(source), CancelJob(source), StartJob(source), ApproveDeployment(source), RejectDeployment(source),
        Redeploy(source), Approve(source), Merge(source),
    )  # fmt: skip
    cannot = (
        Cannot(source, "job.rollback", BACK, "job"), Cannot(source, "job.hold", GATES, "job"),
        Cannot(source, "job.release", GATES, "job"),
    )  # fmt: skip
    return {action.verb: action for action in (*can, *cannot)}
