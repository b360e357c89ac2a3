"""The pages: a path to what answers it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from quarterdeck_demo.jenkins import progress, tree
from quarterdeck_demo.jenkins.acting import Acting
from quarterdeck_demo.jenkins.gate import Gate, Refused, not_found
from quarterdeck_demo.jenkins.progress import Build
from quarterdeck_demo.jenkins.shapes import Shapes
from quarterdeck_demo.jenkins.state import State, User
from quarterdeck_demo.jenkins.wfapi import Stages, progressive
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.story import Story

_ITEM = re.compile(r"(?P<names>(?:/job/[^/]+)+)(?:/(?P<number>\d+))?/(?P<rest>[^?]+)")
_NODE = re.compile(r"execution/node/(\d+)/(wfapi/describe|wfapi/log|log/logText/progressiveText)")
_INPUT = re.compile(r"input/([^/]+)/(proceedEmpty|abort)")


class Site:
    """One controller under a path."""

    def __init__(self, story: Story, clock: Callable[[], float], prefix: str) -> None:
        self.state = State(story, clock)
        self.prefix = prefix
        self.stages = Stages(self.state, prefix)
        self.acting = Acting(self.state)
        self.gate = Gate(self.state, self.answer)

    def shapes(self, request: Request) -> Shapes:
        """Shapes with the address that the client used."""
        return Shapes(self.state, f"http://{request.header('host', '127.0.0.1')}{self.prefix}")

    async def answer(self, request: Request, user: User) -> Response:
        """Answer one request of a user."""
        self.state.tick()
        if not request.path.startswith(f"{self.prefix}/"):
            raise not_found()
        if "depth" in request.query:
            self.state.floods += 1
        path = request.path.removeprefix(self.prefix)
        found = _ITEM.fullmatch(path)
        if found is None:
            return self._top(request, user, path)
        names = tuple(map(unquote, found["names"].split("/job/")[1:]))
        if found["number"] is None:
            return self._item(request, user, names, found["rest"])
        build = self.state.build("/".join(names), int(found["number"]))
        if build is None:
            raise not_found()
        if request.method == "POST":
            return self._write(request, user, build, found["rest"])
        return self._build(request, user, build, found["rest"])

    def _sent(self, request: Request, value: dict[str, Any]) -> Response:
        wanted = request.arg("tree")
        try:
            return json_response(tree.pruned(value, tree.parse(wanted)) if wanted else tree.plain(value))
        except tree.Malformed as error:
            raise Refused(400, str(error)) from error

    def _top(self, request: Request, user: User, path: str) -> Response:
        shapes = self.shapes(request)
        if request.method == "POST":
            if path == "/queue/cancelItem":
                return self.acting.cancel_item(request, user)
            raise not_found()
        if path == "/api/json":
            return self._sent(request, shapes.top())
        if path in ("/whoAmI/api/json", "/me/api/json"):
            return self._sent(request, {
                "_class": "hudson.security.WhoAmI", "anonymous": False, "authenticated": True, "name": user.login,
                "authorities": ["authenticated"],
            })  # fmt: skip
        if path == "/queue/api/json":
            items = [lambda item=item: shapes.queued(item) for item in reversed(self.state.waiting())]
            return self._sent(request, {"_class": "hudson.model.Queue", "items": items})
        if path == "/computer/api/json":
            return self._sent(request, shapes.computers())
        if (one := re.fullmatch(r"/queue/item/(\d+)/api/json", path)) is not None:
            item = self.acting.item(int(one[1]))
            if item is not None:
                return self._sent(request, shapes.queued(item))
        raise not_found()

    def _item(self, request: Request, user: User, names: tuple[str, ...], rest: str) -> Response:
        shapes, job = self.shapes(request), self.state.jobs.get("/".join(names))
        if request.method == "POST" and job is not None and rest in ("build", "buildWithParameters"):
            return self.acting.start(request, user, job, shapes.root, given=rest != "build")
        value = shapes.item(names)
        if request.method == "POST" or rest != "api/json" or value is None:
            raise not_found()
        return self._sent(request, value)

    def _build(self, request: Request, user: User, build: Build, rest: str) -> Response:
        building = self.state.moment(build).building
        if rest == "api/json":
            return self._sent(request, self.shapes(request).build(build))
        if rest == "logText/progressiveText":
            return progressive(request, progress.console(build, self.state.clock()), more=building)
        if not build.job.pipeline:
            raise not_found()
        if rest == "restart/api/json":
            return self._sent(request, self.acting.restartable(user, build))
        if rest == "wfapi/describe":
            return json_response(self.stages.run(build))
        if rest == "wfapi/pendingInputActions":
            return json_response(self.stages.pending(build))
        node = _NODE.fullmatch(rest)
        if node is None:
            raise not_found()
        id = int(node[1])
        if node[2] == "log/logText/progressiveText":
            text, step = self.stages.node_text(build, id), self.stages.step(build, id)
            if text is None:
                raise not_found()
            return progressive(request, text, more=step is not None and step.ended_at is None)
        found = self.stages.node(build, id) if node[2] == "wfapi/describe" else self.stages.node_log(build, id)
        if found is None:
            raise not_found()
        return json_response(found)

    def _write(self, request: Request, user: User, build: Build, rest: str) -> Response:
        if rest in ("stop", "term", "kill"):
            return self.acting.stop(user, build, rest)
        if rest == "wfapi/inputSubmit":
            return self.acting.submit(request, user, build)
        if rest == "restart/restart":
            return self.acting.restart(request, user, build)
        if (one := _INPUT.fullmatch(rest)) is not None:
            return self.acting.decide(user, build, unquote(one[1]), proceed=one[2] == "proceedEmpty")
        raise not_found()
