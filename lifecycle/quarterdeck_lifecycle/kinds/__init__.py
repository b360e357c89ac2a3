"""The kinds of records, a module for each pane."""

from quarterdeck_lifecycle.kinds.containers import Container, Image, Network, Stats, Tag, Volume
from quarterdeck_lifecycle.kinds.metrics import Alert, Gpu, Host, MonitorTarget, Rule, Series
from quarterdeck_lifecycle.kinds.models import Endpoint, ModelVersion, RegisteredModel, TrainingRun
from quarterdeck_lifecycle.kinds.pipelines import Deployment, Job, PullRequest, Run
from quarterdeck_lifecycle.kinds.releases import Operation, Service
from quarterdeck_lifecycle.kinds.repositories import Commit, Repository

__all__ = [
    "Alert",
    "Commit",
    "Container",
    "Deployment",
    "Endpoint",
    "Gpu",
    "Host",
    "Image",
    "Job",
    "ModelVersion",
    "MonitorTarget",
    "Network",
    "Operation",
    "PullRequest",
    "RegisteredModel",
    "Repository",
    "Rule",
    "Run",
    "Series",
    "Service",
    "Stats",
    "Tag",
    "TrainingRun",
    "Volume",
]
