"""Jobs, builds and queue items as the remote API sends them. Fields that cost are made when `tree=` asks for them.

https://www.jenkins.io/doc/book/using/remote-access-api/
https://javadoc.jenkins.io/hudson/model/Run.html (getTimestamp, getDuration, getResult are exported)
https://javadoc.jenkins.io/hudson/model/Queue.html
https://javadoc.jenkins.io/plugin/git/hudson/plugins/git/util/BuildData.html
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from quarterdeck_demo.jenkins.plan import FOLDER, MULTIBRANCH, Cause, Job, Parameter
from quarterdeck_demo.jenkins.progress import Build
from quarterdeck_demo.jenkins.state import Item, State

_VALUES = {
    "BooleanParameterDefinition": "BooleanParameterValue", "PasswordParameterDefinition": "PasswordParameterValue",
}  # fmt: skip
_PRIMARY = "jenkins.scm.api.metadata.PrimaryInstanceMetadataAction"
_COLORS = {"SUCCESS": "blue", "FAILURE": "red", "UNSTABLE": "yellow", "ABORTED": "aborted"}
LIBRARY_SHA = "5eed" * 10
"""The commit of the shared library: a second BuildData beside that of the job's own repository."""


def path_of(names: tuple[str, ...]) -> str:
    """The path of an item from its names."""
    return "".join(f"/job/{quote(name, safe='')}" for name in names)


class Shapes:
    """Payloads for a client that reached the controller at `root`."""

    def __init__(self, state: State, root: str) -> None:
        self.state, self.root = state, root

    def url(self, names: tuple[str, ...]) -> str:
        """The address of an item."""
        return f"{self.root}{path_of(names)}/"

    def children(self, names: tuple[str, ...]) -> list[tuple[str, ...]]:
        """The names of what a folder holds."""
        depth = len(names)
        found = {job.path[: depth + 1]: None for job in self.state.jobs.values() if job.path[:depth] == names}
        return [path for path in found if len(path) == depth + 1]

    def item(self, names: tuple[str, ...]) -> dict[str, Any] | None:
        """A folder, a multibranch project or a job; None when there is none."""
        job = self.state.jobs.get("/".join(names))
        if job is not None:
            return self.job(job)
        inside = self.children(names)
        if not inside:
            return None
        multi = any(self.state.jobs[j].branch for j in self.state.jobs if self.state.jobs[j].path[:-1] == names)
        return {
            "_class": MULTIBRANCH if multi else FOLDER, "name": names[-1], "fullName": "/".join(names),
            "displayName": names[-1], "url": self.url(names), "description": None,
            "jobs": lambda: [lambda path=path: self.item(path) for path in inside],
        }  # fmt: skip

    def top(self) -> dict[str, Any]:
        """The controller."""
        return {
            "_class": "hudson.model.Hudson", "mode": "NORMAL", "nodeName": "", "nodeDescription": "the controller",
            "numExecutors": 0, "quietingDown": False, "url": f"{self.root}/", "useCrumbs": True, "useSecurity": True,
            "jobs": lambda: [lambda path=path: self.item(path) for path in self.children(())],
        }  # fmt: skip

    def computers(self) -> dict[str, Any]:
        """The machines: a Pipeline sits on a one-off executor of the controller as long as it goes on.

        https://javadoc.jenkins.io/hudson/model/Computer.html
        """
        going = [b for builds in self.state.builds.values() for b in builds if self.state.moment(b).building]

        def executors(*, pipelines: bool) -> list[dict[str, Any]]:
            return [
                {"currentExecutable": {"_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun", "number": b.number,
                                       "url": f"{self.url(b.job.path)}{b.number}/"}}
                for b in going if b.job.pipeline == pipelines
            ]  # fmt: skip

        one = {
            "_class": "hudson.model.Hudson$MasterComputer", "displayName": "Built-In Node", "offline": False,
            "executors": [*executors(pipelines=False), {"currentExecutable": None}],
            "oneOffExecutors": executors(pipelines=True),
        }  # fmt: skip
        return {"_class": "hudson.model.ComputerSet", "busyExecutors": len(going), "computer": [one]}

    def job(self, job: Job) -> dict[str, Any]:
        """A job."""
        builds = self.state.builds[job.full_name]

        def color() -> str:
            if not builds:
                return "notbuilt"
            moment = self.state.moment(builds[0])
            if not moment.building:
                return _COLORS[moment.result or ""]
            last = next((m.result for m in map(self.state.moment, builds[1:]) if m.result), None)
            return f"{_COLORS[last or 'SUCCESS']}_anime"

        definitions = [definition(each) for each in job.parameters]
        holder = {"_class": "hudson.model.ParametersDefinitionProperty", "parameterDefinitions": definitions}
        return {
            "_class": job.kind, "name": job.path[-1], "fullName": job.full_name, "displayName": job.branch or
            job.path[-1], "fullDisplayName": " » ".join(job.path), "url": self.url(job.path), "buildable": True,
            "color": color, "inQueue": any(item.job is job for item in self.state.waiting()),
            "nextBuildNumber": builds[0].number + 1 if builds else 1, "concurrentBuild": not job.label,
            "actions": [{"_class": _PRIMARY}] if job.primary else [],
            "lastBuild": lambda: self.build(builds[0]) if builds else None,
            "builds": lambda: [lambda build=build: self.build(build) for build in builds],
            "property": [holder] if definitions else [],
        }  # fmt: skip

    def build(self, build: Build) -> dict[str, Any]:
        """A build."""
        moment = self.state.moment(build)
        ended = moment.ended_at
        past = [b for b in self.state.builds[build.job.full_name] if b.number < build.number][:5]
        ends = [(m.ended_at or 0) - b.started_at for b in past if (m := self.state.moment(b)).result == "SUCCESS"]
        pipeline = build.job.pipeline
        return {
            "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun" if pipeline else "hudson.model.FreeStyleBuild",
            "number": build.number, "id": str(build.number), "displayName": f"#{build.number}",
            "fullDisplayName": f"{' » '.join(build.job.path)} #{build.number}", "queueId": build.queue_id,
            "url": f"{self.url(build.job.path)}{build.number}/", "building": moment.building,
            "inProgress": moment.building, "result": moment.result, "timestamp": int(build.started_at * 1000),
            "duration": int((ended - build.started_at) * 1000) if ended is not None else 0,
            "estimatedDuration": int(sum(ends) / len(ends) * 1000) if ends else -1, "keepLog": False,
            "description": build.description, "builtOn": build.job.label, "actions": lambda: self._actions(build),
            "changeSets": lambda: self._changes(build), "culprits": [], "artifacts": lambda: self._artifacts(build),
        }  # fmt: skip

    def _actions(self, build: Build) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [self._causes(build)]
        if build.values:
            values = [_value(each, build.values.get(each.name)) for each in build.job.parameters]
            found.append({"_class": "hudson.model.ParametersAction", "parameters": values})
        # Where the Jenkinsfile comes with a shared library, that is checked out first and has its data, too.
        if build.job.branch:
            found.append(_checkout(LIBRARY_SHA, "main", "ci-library"))
        if build.sha:
            name = build.job.branch or str(build.values.get("BRANCH", "main"))
            found.append(_checkout(build.sha, name, build.job.repository))
        return found

    def _causes(self, build: Build) -> dict[str, Any]:
        return {"_class": "hudson.model.CauseAction", "causes": _causes(build.cause)}

    def _changes(self, build: Build) -> list[dict[str, Any]]:
        repository = self.state.story.repositories.get(build.job.repository)
        commit = repository.commits.get(build.sha) if repository else None
        if commit is None:
            return []
        entry = {
            "_class": "hudson.plugins.git.GitChangeSet", "commitId": commit.sha, "id": commit.sha,
            "msg": commit.subject, "comment": commit.message, "timestamp": int(commit.at * 1000),
            "author": {"absoluteUrl": f"{self.root}/user/{commit.author.login}", "fullName": commit.author.name},
            "authorEmail": commit.author.email,
        }  # fmt: skip
        return [{"_class": "hudson.plugins.git.GitChangeSetList", "kind": "git", "items": [entry]}]

    def _artifacts(self, build: Build) -> list[dict[str, Any]]:
        if self.state.moment(build).result != "SUCCESS" or not build.job.branch:
            return []
        return [{"displayPath": "image.txt", "fileName": "image.txt", "relativePath": "out/image.txt"}]

    def queued(self, item: Item) -> dict[str, Any]:
        """An item of the queue, waiting or left."""
        values = [_value(each, item.values.get(each.name)) for each in item.job.parameters] if item.values else []
        causes = {"_class": "hudson.model.CauseAction", "causes": _causes(item.cause)}
        made: dict[str, Any] = {
            "_class": "hudson.model.Queue$LeftItem", "id": item.id, "inQueueSince": int(item.since * 1000),
            "blocked": False, "buildable": False, "stuck": False, "url": f"queue/item/{item.id}/", "why": None,
            "params": "".join(f"\n{v['name']}={v.get('value', '')}" for v in values),
            "task": {"_class": item.job.kind, "name": item.job.path[-1], "url": self.url(item.job.path),
                     "color": "blue"},
            "actions": [{"_class": "hudson.model.ParametersAction", "parameters": values}, causes] if values
            else [causes],
        }  # fmt: skip
        if item.left_at is not None:
            made["cancelled"] = item.cancelled
            made["executable"] = None if item.build is None else {
                "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun", "number": item.build.number,
                "url": f"{self.url(item.job.path)}{item.build.number}/",
            }  # fmt: skip
            return made
        kind, why = self.state.why(item)
        made |= {"_class": f"hudson.model.Queue${kind}", "why": why, "buildable": kind == "BuildableItem"}
        if kind == "WaitingItem":
            made["timestamp"] = int((item.since + item.quiet_s) * 1000)
        else:
            made["pending"] = False
            made["buildableStartMilliseconds"] = int((item.since + item.quiet_s) * 1000)
            made["stuck"] = self.state.clock() - item.since > 900
        return made


def definition(parameter: Parameter) -> dict[str, Any]:
    """A parameter definition. A password tells no default."""
    made: dict[str, Any] = {
        "_class": f"hudson.model.{parameter.type}", "name": parameter.name, "type": parameter.type,
        "description": parameter.description, "defaultParameterValue": None,
    }  # fmt: skip
    if parameter.type != "PasswordParameterDefinition":
        made["defaultParameterValue"] = _value(parameter, parameter.choices[0] if parameter.choices else
                                               parameter.default)  # fmt: skip
    if parameter.choices:
        made["choices"] = list(parameter.choices)
    return made


def _causes(cause: Cause) -> list[dict[str, Any]]:
    """The causes of an action. What is restarted has that of the user before that of the restart."""
    own: dict[str, Any] = {"_class": cause.kind, "shortDescription": cause.text}
    by: dict[str, Any] = {"userId": cause.user, **cause.more} if cause.user else {}
    if cause.user and not cause.kind.endswith("UserIdCause"):
        return [{"_class": "hudson.model.Cause$UserIdCause", "shortDescription": "Started by user", **by}, own]
    return [{**own, **by}]


def _value(parameter: Parameter, value: Any) -> dict[str, Any]:
    kind = _VALUES.get(parameter.type, "StringParameterValue")
    made = {"_class": f"hudson.model.{kind}", "name": parameter.name}
    return made if kind == "PasswordParameterValue" else {**made, "value": value}


def _checkout(sha: str, branch: str, slug: str) -> dict[str, Any]:
    name = f"refs/remotes/origin/{branch}" if slug == "ci-library" else branch
    return {
        "_class": "hudson.plugins.git.util.BuildData", "lastBuiltRevision": {"SHA1": sha, "branch": [{"SHA1": sha,
        "name": name}]}, "remoteUrls": [f"https://github.com/{slug if '/' in slug else f'acme/{slug}'}.git"],
        "scmName": "",
    }  # fmt: skip
