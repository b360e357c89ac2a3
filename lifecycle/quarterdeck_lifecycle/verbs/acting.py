"""Verbs that act: mutations of systems and sessions in them.

Capitals; what has no key stands in the row's menu and on `:`.
"""

from quarterdeck_lifecycle.verbs.model import Argument, Risk, Verb, VerbKind

H, D, X = Risk.HARMLESS, Risk.DISRUPTIVE, Risk.DANGEROUS


def _does(
    id: str, key: str, title: str, risk: Risk, *args: Argument, help: str = "", bulk: bool = False, on: str = ""
) -> Verb:
    kind = on or id.split(".")[0]
    return Verb(
        id=id, key=key, title=title, kind=VerbKind.MUTATION, risk=risk, args=args, help=help, bulk=bulk,
        applies_to=(kind,),
    )  # fmt: skip


def _arg(
    name: str, prompt: str, default: str = "", *choices: str, required: bool = True, ask: bool = True
) -> Argument:
    return Argument(name=name, prompt=prompt, default=default, choices=choices, required=required, ask=ask)


_FORCE = _arg("force", "true also removes one that runs", required=False, ask=False)
_ALL = _arg("all", "true also removes tagged ones that nothing uses", required=False, ask=False)

REPOSITORY = (
    _does("repository.fetch", "F", "fetch", H, help="git fetch --prune of the upstream's remote", bulk=True),
    _does("repository.pull", "F", "pull --ff-only", D, help="fast-forward only; refuses to merge"),
    _does("repository.push", "P", "push", D, help="the branch to its upstream, never forced"),
    _does("repository.switch", "", "switch branch", D, _arg("branch", "branch"), help="refuses over dirty files"),
    _does("repository.tag", "", "tag", H, _arg("name", "tag"), _arg("message", "message", required=False)),
    _does("repository.checkout_pull_request", "", "check out a pull request", D, _arg("number", "pull request")),
)

CONTAINER = (
    _does("container.restart", "R", "restart", D, bulk=True),
    _does("container.start", "R", "start", H, bulk=True),
    _does("container.stop", "X", "stop", D, _arg("timeout", "seconds to wait before kill", "10", ask=False), bulk=True),
    _does("container.kill", "X", "kill", D, _arg("signal", "signal", "KILL", ask=False), bulk=True),
    _does("container.pause", "", "pause", D),
    _does("container.unpause", "", "unpause", H),
    _does("container.remove", "K", "remove", X, _FORCE, help="never its volumes", bulk=True),
    _does("image.pull", "F", "pull", H, _arg("reference", "image to pull", required=False, ask=False)),
    _does("image.remove", "K", "remove", X, bulk=True),
    _does("container.prune", "", "prune stopped containers", X, on="source"),
    _does("image.prune", "", "prune unused images", X, _ALL, on="source"),
    _does("volume.prune", "", "prune anonymous volumes", X, on="source", help="named volumes are kept"),
    _does("network.prune", "", "prune unused networks", X, on="source"),
    _does("project.up", "", "compose up", D),
    _does("project.down", "", "compose down", X, help="volumes are kept"),
    _does("project.pull", "", "compose pull", H),
    _does("tag.copy", "", "copy tag", D, _arg("to", "new tag, or repository:tag")),
    _does("tag.delete", "K", "delete by digest", X, help="every tag on the same digest goes with it"),
    Verb(
        id="container.shell", key="S", title="shell", kind=VerbKind.SESSION, applies_to=("container",),
        risk=D, help="a shell inside; what it prints is not gated",
    ),
)  # fmt: skip

_COMMENT = _arg("comment", "comment", required=False)
_GATE = _arg("gate", "which gate, when several wait", required=False, ask=False)
_GATE_INPUTS = _arg("inputs", "what the gate asks for: key=value ...", required=False, ask=False)
_FORCE_END = _arg("force", "true ends it without its clean-up", required=False, ask=False)

PIPELINE = (
    _does("run.rerun", "R", "re-run", D, bulk=True),
    _does("run.rerun_failed", "R", "re-run failed jobs", D),
    _does("run.cancel", "X", "cancel", D, _FORCE_END, bulk=True),
    _does(
        "run.approve", "A", "approve", D, _COMMENT, _GATE, _GATE_INPUTS, help="lets go on what waits for an approval"
    ),
    _does("run.reject", "", "reject", D, _COMMENT, _GATE, help="ends what waits for an approval"),
    _does(
        "run.trigger", "T", "start a run", D,
        _arg("ref", "branch or tag", "main"), _arg("inputs", "inputs: key=value ...", required=False),
    ),
    _does("job.rerun", "R", "re-run the job", D),
    _does("job.cancel", "X", "cancel the job", D),
    _does("job.start", "A", "start the manual job", D, _arg("inputs", "variables: key=value ...", required=False)),
    _does("job.rollback", "", "roll the stage back", D, _arg("to", "execution to go back to")),
    _does("job.hold", "", "disable the transition into it", D, _arg("reason", "reason")),
    _does("job.release", "", "enable the transition into it", D),
    _does("deployment.approve", "A", "approve", D, _COMMENT),
    _does("deployment.reject", "", "reject", D, _COMMENT),
    _does("deployment.redeploy", "R", "deploy it again", D, help="re-runs the job that made it: the way back"),
    _does("pull_request.approve", "A", "approve", D, _COMMENT),
    _does("pull_request.merge", "", "merge", X, _arg("method", "method", "merge", "merge", "squash", "rebase")),
    _does("pull_request.checkout", "F", "check out", D, help="its head into a local branch here"),
)  # fmt: skip

MODEL = (
    _does("version.set_alias", "M", "move alias here", D, _arg("alias", "alias", "champion")),
    _does("version.remove_alias", "K", "remove alias", D, _arg("alias", "alias")),
)

ACTIONS = (*REPOSITORY, *CONTAINER, *PIPELINE, *MODEL)
