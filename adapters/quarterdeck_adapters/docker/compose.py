"""Up, down and pull of a compose project, through the docker command's compose plugin.

The project is known by the labels that compose puts on its containers
(https://docs.docker.com/reference/cli/docker/compose/).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from quarterdeck_adapters import process
from quarterdeck_adapters.docker.acting import Mutation, docker_argv
from quarterdeck_adapters.docker.client import Engine
from quarterdeck_adapters.docker.mapping import PROJECT, SERVICE, name_of
from quarterdeck_lifecycle.errors import Conflict, NotFound, QuarterdeckError, Unsupported
from quarterdeck_lifecycle.permit import require
from quarterdeck_lifecycle.ports import Outcome, Preview, Step
from quarterdeck_lifecycle.records import Ref

FOLDER = f"{PROJECT}.working_dir"
FILES = f"{PROJECT}.config_files"
ENV_FILE = f"{PROJECT}.environment_file"
HINT = "install the docker compose plugin (docker-compose-plugin)"
DEADLINES = {"up": 900.0, "down": 300.0, "pull": 1800.0}
AFTER = {"up": "every service runs", "down": "no container is left", "pull": "the images are here"}
WORDS = {"up": ("up", "--detach"), "down": ("down",), "pull": ("pull",)}


async def missing(engine: Engine, env: Mapping[str, str]) -> str | None:
    """Why compose cannot be run here; None when its plugin answers."""
    try:
        said = await process.run(
            ["docker", "compose", "version", "--short"], source=engine.source, deadline=5, env=env, hint=HINT
        )
    except QuarterdeckError as error:
        return f"{error.what}: {HINT}"
    return None if said.code == 0 else f"the docker compose plugin is missing: {HINT}"


class Compose(Mutation):
    """`docker compose up`, `down` or `pull` with the files that the project was started from."""

    kinds = ("project",)

    def __init__(self, source: Any, verb: str, word: str) -> None:
        super().__init__(source, verb)
        self.word = word

    async def _members(self, project: str) -> list[dict[str, Any]]:
        filters = {"label": [f"{PROJECT}={project}"]}
        found = await self.source.engine().call(
            lambda c: list(c.containers(all=True, filters=filters)), what=f"looking for the project {project}"
        )
        return sorted(found, key=name_of)

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """List the containers, and for `down` what is kept. Raises NotFound, Unsupported."""
        self.check(ref)
        members = await self._members(ref.id)
        kept = self._where(ref.id, members, args)
        if (why := await missing(self.source.engine(), self.source.env)) is not None:
            raise Unsupported(f"compose {self.word} {ref.id}", source=self.source.name, why=why)
        argv = self._argv(ref.id, kept)
        states = [
            f"{name_of(each)} ({(each.get('Labels') or {}).get(SERVICE)}): {each.get('State')}" for each in members
        ]
        return Preview(
            verb=self.verb, ref=ref, args=kept, title=f"compose {self.word} {ref.id}",
            deadline_s=DEADLINES[self.word] + 10,
            steps=(Step(call=shlex.join(argv), detail=f"in {kept['working_dir']}"),),
            impact=tuple(self._impact(members, states)), warnings=tuple(self._warnings()),
            before=f"{sum(each.get('State') == 'running' for each in members)} of {len(members)} running",
            after=AFTER[self.word],
            token=_token(members),
            inverse=("project.up", kept) if self.word == "down" else None,
            why_no_inverse="" if self.word == "down" else "what ran before is not kept by compose",
            command=shlex.join(argv),
        )  # fmt: skip

    def _impact(self, members: Sequence[Mapping[str, Any]], states: list[str]) -> list[str]:
        if self.word == "up":
            return [f"starts or replaces: {text}" for text in states] or ["starts every service of the files"]
        if self.word == "pull":
            return sorted({f"pulls {each.get('Image')}" for each in members})
        names = {mount["Name"] for each in members for mount in each.get("Mounts") or () if mount.get("Name")}
        kept = [f"kept: volume {name}" for name in sorted(names)]
        return [*(kept or ["kept: every volume"]), *(f"removes: {text}" for text in states), "removes: its networks"]

    def _warnings(self) -> list[str]:
        if self.source.engine().endpoint.local:
            return []
        return ["the engine is on another machine: the files are read on this one"]

    def _where(self, project: str, members: Sequence[Mapping[str, Any]], args: Mapping[str, str]) -> dict[str, str]:
        labels: Mapping[str, str] = next((each.get("Labels") or {} for each in members), {})
        folder = args.get("working_dir") or labels.get(FOLDER, "")
        files = args.get("config_files") or labels.get(FILES, "")
        env_file = args.get("env_file") or labels.get(ENV_FILE, "")
        if not folder or not files:
            why = (
                "no container of it is left to name its files"
                if not members
                else "its containers do not name its files"
            )
            raise NotFound(
                f"project {project}", source=self.source.name, why=why, mend="give working_dir and config_files"
            )
        paths = [os.path.join(folder, path) for path in files.split(",") if path]
        for path in paths:
            if not os.path.isfile(path):
                raise Unsupported(
                    f"compose {self.word} {project}", source=self.source.name, why=f"{path} is not on this machine",
                    mend="run it on the machine that the project was started from",
                )  # fmt: skip
        found = {"working_dir": folder, "config_files": ",".join(paths)}
        return {**found, "env_file": env_file} if env_file else found

    def _argv(self, project: str, where: Mapping[str, str]) -> list[str]:
        argv = [*docker_argv(self.source.engine().endpoint), "compose"]
        argv += ["--project-name", project, "--project-directory", where["working_dir"]]
        for path in where["config_files"].split(","):
            argv += ["--file", path]
        if where.get("env_file"):
            argv += ["--env-file", where["env_file"]]
        return [*argv, *WORDS[self.word]]

    async def execute(self, preview: Preview) -> str:
        """Run it once. Raises Conflict when the project changed since the preview, or when compose complained."""
        project, name = preview.ref.id, self.source.name
        self.moved(preview, _token(await self._members(project)))
        argv = self._argv(project, preview.args)
        require(name, shlex.join(argv))
        ended = await process.run(
            argv,
            source=name,
            deadline=DEADLINES[self.word],
            env=self.source.env,
            cwd=preview.args["working_dir"],
            hint=HINT,
        )
        if ended.code != 0:
            raise Conflict(preview.title, source=name, why=ended.complaint or f"exit code {ended.code}")
        return ended.complaint.splitlines()[-1] if ended.complaint else "done"

    async def verify(self, preview: Preview) -> Outcome:
        """Read the project's containers, or for `pull` its images, back."""
        members = await self._members(preview.ref.id)
        if self.word == "down":
            return Outcome(verified=not members, message=f"{len(members)} containers left", observed=str(len(members)))
        if self.word == "up":
            stopped = [name_of(each) for each in members if each.get("State") != "running"]
            message = f"{len(members) - len(stopped)} of {len(members)} running"
            return Outcome(verified=bool(members) and not stopped, message=message, observed=", ".join(stopped))
        images = {str(each.get("Image")) for each in members}
        held = await self.source.engine().call(lambda c: c.images(), what="reading the images back")
        here = {tag for each in held for tag in each.get("RepoTags") or ()}
        lost = sorted(image for image in images if image not in here and not image.startswith("sha256:"))
        return Outcome(verified=not lost, message="all images are here" if not lost else f"not here: {', '.join(lost)}")


def _token(members: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(each["Id"]), str(each.get("State"))) for each in members))
