"""All verbs of builds and jobs: those that Travis has, and of the others why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci.acting import Cannot
from quarterdeck_adapters.travis import job_actions, run_actions, trigger
from quarterdeck_lifecycle.ports import Action

if TYPE_CHECKING:
    from quarterdeck_adapters.travis.adapter import TravisSource

_NO_APPROVAL = "Travis has no approvals: no build waits for one"
_CANNOT = {
    "run.approve": _NO_APPROVAL,
    "run.reject": _NO_APPROVAL,
    "job.start": "Travis has no manual jobs: each starts when its stage does",
    "job.rollback": "Travis keeps no deployments to go back to",
    "job.hold": "Travis has no transitions between stages that could be held",
    "job.release": "Travis has no transitions between stages that could be held",
}


def all_of(source: TravisSource) -> Mapping[str, Action]:
    """The actions of a source by the ids of their verbs."""
    made = (
        run_actions.Rerun(source), run_actions.RerunFailed(source), run_actions.Cancel(source),
        trigger.Trigger(source), job_actions.JobRerun(source), job_actions.JobCancel(source),
    )  # fmt: skip
    actions: dict[str, Action] = {action.verb: action for action in made}
    for verb, why in _CANNOT.items():
        actions[verb] = Cannot(source, verb, why, verb.partition(".")[0])
    return actions
