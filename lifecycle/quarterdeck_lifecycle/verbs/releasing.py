"""Verbs of releases: put something new on a service, put back what was proven, and what is asked of an operation."""

from quarterdeck_lifecycle.verbs.model import Argument, Risk, Verb, VerbKind

_BACK = Argument(name="back", prompt="what to put back if it fails: proven, running", required=False, ask=False)
_IN = Argument(name="environment", prompt="environment", required=False, ask=False)
_SERVICE = Argument(name="service", prompt="service", required=False, ask=False)


def _does(
    id: str, key: str, title: str, risk: Risk, on: tuple[str, ...], *args: Argument, screen: str = "deck", help: str
) -> Verb:
    return Verb(
        id=id, key=key, title=title, kind=VerbKind.MUTATION, risk=risk, applies_to=on, args=args, screen=screen,
        help=help,
    )  # fmt: skip


def _asks(id: str, key: str, title: str, help: str) -> Verb:
    return _does(f"operation.{id}", key, title, Risk.DISRUPTIVE, ("operation",), screen="operation", help=help)


SERVICE_VERBS = (
    _does(
        "service.deploy", "D", "deploy", Risk.DISRUPTIVE, ("service", "container", "image", "tag"),
        Argument(name="to", prompt="what to put on it: tag, digest, image:, git:, model:", ask=False),
        _SERVICE, _IN, _BACK,
        help="plan it, read the plan, start it; attaches where an operation already runs",
    ),
    _does(
        "service.rollback", "B", "put back", Risk.DISRUPTIVE, ("service", "container", "version"),
        Argument(name="to", prompt="revision; empty: the last proven", required=False, ask=False),
        _SERVICE, _IN,
        help="what was proven before runs again: its image and its configuration",
    ),
    _does(
        "version.promote", "D", "promote", Risk.DISRUPTIVE, ("version",),
        Argument(name="alias", prompt="alias", default="champion", ask=False), _IN,
        help="move the alias here, with the gate of the service that serves it",
    ),
    _does(
        "service.freeze", "", "freeze", Risk.HARMLESS, ("service",),
        Argument(name="reason", prompt="why"),
        Argument(name="until", prompt="until (2h, 3d, or a time in UTC)", required=False),
        help="no release of it until it is unfrozen",
    ),
    _does("service.unfreeze", "", "unfreeze", Risk.DISRUPTIVE, ("service",), help="let it be released again"),
    Verb(
        id="service.history", title="release history", kind=VerbKind.VIEW, applies_to=("service",),
        help="its revisions: when, who, proven, ready to go back to",
    ),
)  # fmt: skip

OPERATION_VERBS = (
    Verb(
        id="operations", key="9", title="operations", kind=VerbKind.VIEW,
        help="releases that run and that ended; Enter attaches",
    ),
    Verb(
        id="undo", key="U", title="undo my last", kind=VerbKind.LOCAL,
        help="the inverse of my last verb, previewed as any other; of a release, its put-back",
    ),
    _asks("keep", "K", "keep now", "end the soak: what serves now is kept"),
    _asks("extend", "E", "extend", "the soak, by its own length once more"),
    _asks("put_back", "B", "put back now", "do not wait for the gate: what served before serves again"),
    _asks("abort", "X", "abort", "stop, and put back whatever was switched"),
    _asks("approve", "A", "approve", "the second pair of eyes, where the config asks for it"),
    _asks("recover", "R", "recover", "settle an operation whose runner has died"),
    Verb(
        id="operation.report", key="r", title="report", kind=VerbKind.VIEW, screen="operation",
        help="plan, steps, samples, logs and who, to read or to save",
    ),
    Verb(id="operation.plan", key="p", title="plan", kind=VerbKind.VIEW, screen="operation", help="every step of it"),
)  # fmt: skip

RELEASES = (*SERVICE_VERBS, *OPERATION_VERBS)
