"""What a ref's id names. Pure.

A run is `PIPELINE/EXECUTION`, a stage of it `PIPELINE/EXECUTION/STAGE`, an attempt of an action, and so a deployment,
`PIPELINE/EXECUTION/STAGE/ATTEMPT`: names and identities of AWS hold no slash.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from quarterdeck_lifecycle.records import Ref

_NAME = r"[A-Za-z0-9.@_-]{1,100}"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_JOB = rf"(?:/(?P<stage>{_NAME})(?:/(?P<attempt>[\w.-]{{1,100}}))?)?"
_ID = re.compile(rf"(?P<pipeline>{_NAME})/(?P<execution>{_UUID}){_JOB}")
_EXECUTION = re.compile(_UUID)


class Place(NamedTuple):
    """A run, or with a `stage` a job: the whole stage, or one `attempt` of an action in it."""

    pipeline: str
    execution: str
    stage: str = ""
    attempt: str = ""

    @property
    def run(self) -> str:
        """The id of the run's ref."""
        return f"{self.pipeline}/{self.execution}"


def place_of(ref: Ref) -> Place | None:
    """What a ref names; None for what is none of CodePipeline's."""
    match = _ID.fullmatch(ref.id)
    if match is None or (ref.kind == "run") == bool(match["stage"]):
        return None
    if ref.kind == "deployment" and not match["attempt"]:
        return None
    return Place(match["pipeline"], match["execution"], match["stage"] or "", match["attempt"] or "")


def is_execution(text: str) -> bool:
    """Whether a text is the identity of an execution."""
    return _EXECUTION.fullmatch(text) is not None
