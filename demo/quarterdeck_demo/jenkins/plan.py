"""What the jobs do: stages with steps, what they ask of people, their parameters."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

DECLARATIVE = "org.jenkinsci.plugins.workflow.job.WorkflowJob"
FREESTYLE = "hudson.model.FreeStyleProject"
MULTIBRANCH = "org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject"
FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter definition; `type` as the API names it."""

    name: str
    type: str
    description: str = ""
    default: str | bool | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """An input step: it waits until somebody of `submitters` (none: anybody who may build) proceeds or aborts."""

    id: str
    message: str
    ok: str = "Proceed"
    submitters: tuple[str, ...] = ()
    inputs: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A step as it will go: its lines come evenly over its `seconds`."""

    name: str
    seconds: float
    detail: str = ""
    log: tuple[str, ...] = ()
    result: str = "SUCCESS"
    ask: Ask | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a Pipeline."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """A job: `path` are the names from the root; `branch` is set in a multibranch project."""

    path: tuple[str, ...]
    kind: str
    stages: tuple[Stage, ...]
    repository: str = ""
    branch: str = ""
    pull: int | None = None
    label: str = ""
    declarative: bool = True
    parameters: tuple[Parameter, ...] = ()
    primary: bool = False

    @property
    def full_name(self) -> str:
        """As Jenkins names it: the names with slashes."""
        return "/".join(self.path)

    @property
    def pipeline(self) -> bool:
        """Whether it is a Pipeline, which has stages."""
        return self.kind == DECLARATIVE


FAILED_TEST = (
    "============================= test session starts ==============================",
    "collected 214 items",
    "tests/test_rules.py ......................................... [ 19%]",
    "tests/test_amount.py F...",
    "____________________________ test_null_amount ____________________________",
    "    def test_null_amount():",
    ">       assert minor(None) == 0",
    "E       assert 412 == 0",
    "FAILED tests/test_amount.py::test_null_amount - assert 412 == 0",
    "========= 1 failed, 213 passed in 97.31s =========",
)


def scaled(stages: tuple[Stage, ...], scale: float) -> tuple[Stage, ...]:
    """The same with other durations."""
    return tuple(
        replace(stage, steps=tuple(replace(step, seconds=step.seconds * scale) for step in stage.steps))
        for stage in stages
    )


def ci_stages(*, fails: bool = False) -> tuple[Stage, ...]:
    """Checkout, lint, tests, image."""
    test = (
        Step("Shell Script", 96, "pytest -q", FAILED_TEST, "FAILURE")
        if fails
        else Step("Shell Script", 96, "pytest -q", ("collected 214 items", "214 passed in 95.80s"))
    )
    return (
        Stage("Checkout", (Step("Check out from version control", 6, "", ("Cloning the remote Git repository",
              "Checking out Revision (detached)")),)),
        Stage("Lint", (Step("Shell Script", 12, "ruff check .", ("All checks passed!",)),)),
        Stage("Test", (Step("Shell Script", 21, "pip install -r requirements.txt", ("Successfully installed httpx",)),
              test)),
        Stage("Image", (Step("Shell Script", 74, "docker buildx build --push .", ("#8 exporting to image",
              "#8 pushing layers 3.1s done")),)),
    )  # fmt: skip


def train_stages() -> tuple[Stage, ...]:
    """Hours on the GPU: seven steps."""
    epochs = tuple(f"epoch {n}/60 loss {0.60 - n * 0.007:.3f} auc {0.80 + n * 0.002:.3f}" for n in range(1, 61))
    return (
        Stage("Prepare", (Step("Check out from version control", 5, "", ("Checking out Revision (detached)",)),
              Step("Shell Script", 210, "python -m features.build", ("wrote 41 parts", "features: 118 columns")))),
        Stage("Train", (Step("Shell Script", 1800, "python -m train --config params.yaml", epochs),)),
        Stage("Evaluate", (Step("Shell Script", 160, "python -m evaluate", ("auc 0.921", "within the limits")),
              Step("Shell Script", 12, "python -m register", ("registered a candidate",)))),
    )  # fmt: skip


def deploy_stages() -> tuple[Stage, ...]:
    """Plan, ask, deploy, verify."""
    reason = Parameter("REASON", "StringParameterDefinition", "why now", "")
    ask = Ask("Promote", "Deploy to production?", "Deploy", ("oper-a", "op2"), (reason,))
    return (
        Stage("Plan", (Step("Shell Script", 9, "deploy plan", ("compare with production", "1 service changes")),)),
        Stage("Approve", (Step("Wait for interactive input", 0, "Deploy to production?", ask=ask),)),
        Stage("Deploy", (Step("Shell Script", 80, "deploy apply", ("pulling", "started", "switched")),)),
        Stage("Verify", (Step("Shell Script", 28, "deploy verify", ("30 of 30 answers are good",)),)),
    )  # fmt: skip


def nightly_stages(*, unstable: bool = False) -> tuple[Stage, ...]:
    """One step, as a freestyle job has it."""
    last = "3 of 400 checks are worse than last night" if unstable else "400 of 400 checks are good"
    step = Step("Shell Script", 320, "python -m nightly", ("reading yesterday", "comparing", last),
                "UNSTABLE" if unstable else "SUCCESS")  # fmt: skip
    return (Stage("build", (step,)),)


TRAIN_PARAMETERS = (
    Parameter("BRANCH", "StringParameterDefinition", "what to train", "main"),
    Parameter("EPOCHS", "StringParameterDefinition", "how long", "60"),
    Parameter("DEVICE", "ChoiceParameterDefinition", "which machine", "gpu", ("gpu", "cpu")),
    Parameter("REGISTER", "BooleanParameterDefinition", "register the model", True),
)
DEPLOY_PARAMETERS = (
    Parameter("VERSION", "StringParameterDefinition", "version of fraud-api", ""),
    Parameter("TARGET", "ChoiceParameterDefinition", "environment", "staging", ("staging", "prod")),
    Parameter("DEPLOY_KEY", "PasswordParameterDefinition", "key of the target", None),
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a build is made, as `CauseAction` exports it."""

    kind: str
    text: str
    user: str = ""
    more: dict[str, object] = field(default_factory=dict)


def by_push() -> Cause:
    """An event of the branch."""
    return Cause("jenkins.branch.BranchEventCause", "Push event to branch")


def by_timer() -> Cause:
    """The schedule."""
    return Cause("hudson.triggers.TimerTrigger$TimerTriggerCause", "Started by timer")


def by_user(login: str, name: str) -> Cause:
    """A person."""
    return Cause("hudson.model.Cause$UserIdCause", f"Started by user {name}", login, {"userName": name})
