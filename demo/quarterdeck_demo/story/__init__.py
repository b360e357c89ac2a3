"""The one seeded story that every server of the practice world is derived from."""

from quarterdeck_demo.story.build import Story, build_story
from quarterdeck_demo.story.curves import (
    Alert,
    Deployed,
    Learning,
    Point,
    Series,
    Timeline,
    TrainingRun,
    noise,
)
from quarterdeck_demo.story.logs import LogLine, last_lines, log_lines
from quarterdeck_demo.story.records import (
    ChangedFile,
    Commit,
    Container,
    Experiment,
    Job,
    ModelVersion,
    Mount,
    Person,
    Port,
    PullRequest,
    RegisteredModel,
    Release,
    Repository,
    Run,
    Step,
    Workflow,
)

__all__ = [
    "Alert", "ChangedFile", "Commit", "Container", "Deployed", "Experiment", "Job", "Learning", "LogLine",
    "ModelVersion", "Mount", "Person", "Point", "Port", "PullRequest", "RegisteredModel", "Release",
    "Repository", "Run", "Series", "Step", "Story", "Timeline", "TrainingRun", "Workflow", "build_story",
    "last_lines", "log_lines", "noise",
]  # fmt: skip
