"""The operations: https://developer.travis-ci.com/explore."""

from __future__ import annotations

from typing import Any

from quarterdeck_demo.messages import Handler, Request, Response, json_response, text_response
from quarterdeck_demo.router import Router
from quarterdeck_demo.story import Repository
from quarterdeck_demo.travis import shapes
from quarterdeck_demo.travis.gate import Refused, gate, insufficient, login_required, not_found, paged, token_of
from quarterdeck_demo.travis.logs import log as written
from quarterdeck_demo.travis.progress import ENDED, JobMoment, LiveBuild, LiveJob, build_at
from quarterdeck_demo.travis.state import State, Token

API_BUILDS, API_BUILDS_S = 10, 3600
BUSY = ("received", "queued", "started")


def application(state: State) -> Handler:
    """The whole API on a state."""
    made = Operations(state)
    router = Router(_nothing)
    for method, path, handler in (
        ("GET", "/user", made.user),
        ("GET", "/repo/{repo}", made.repository),
        ("GET", "/repo/{repo}/builds", made.builds),
        ("GET", "/repo/{repo}/env_vars", made.env_vars),
        ("POST", "/repo/{repo}/requests", made.ask),
        ("GET", "/repo/{repo}/request/{request}", made.request),
        ("GET", "/build/{build}", made.build),
        ("GET", "/build/{build}/jobs", made.jobs),
        ("POST", "/build/{build}/{verb}", made.act_on_build),
        ("GET", "/job/{job}", made.job),
        ("GET", "/job/{job}/log", made.log),
        ("GET", "/job/{job}/log.txt", made.log_text),
        ("POST", "/job/{job}/{verb}", made.act_on_job),
    ):
        router.add(method, path, handler)
    return gate(state, router)


async def _nothing(_: Request) -> Response:
    raise Refused(404, "not_found", "resource not found (or insufficient access)")


class Operations:
    """The handlers; one object for the life of a server."""

    def __init__(self, state: State) -> None:
        self.state = state

    def _token(self, request: Request) -> Token:
        token = token_of(self.state, request)
        assert token is not None
        return token

    def _repository(self, request: Request) -> Repository:
        found = self.state.repository(request.match["repo"])
        if found is None:
            raise not_found("repository")
        return found

    def _build(self, request: Request) -> tuple[LiveBuild, Repository]:
        found = self.state.build(request.match["build"])
        if found is None:
            raise not_found("build")
        return found, self.state.repositories[found.plan.repository]

    def _job(self, request: Request, what: str = "job") -> tuple[LiveBuild, LiveJob, JobMoment, Repository]:
        found = self.state.job(request.match["job"])
        if found is None:
            raise not_found(what)
        build, job = found
        moment = next(each for each in build_at(build, self.state.clock()).jobs if each.job is job)
        return build, job, moment, self.state.repositories[build.plan.repository]

    async def user(self, request: Request) -> Response:
        """GET the current user."""
        token = self._token(request)
        if not token.value:
            raise login_required()
        return json_response(shapes.whole_user(token.person))

    async def repository(self, request: Request) -> Response:
        """GET a repository."""
        return json_response(shapes.whole_repository(self._repository(request), self._token(request)))

    async def builds(self, request: Request) -> Response:
        """GET builds, by number, the newest first."""
        of, token = self._repository(request), self._token(request)
        found = self.state.builds_of(of.slug)
        if wanted := request.arg("build.state") or request.arg("state"):
            found = [(live, at) for live, at in found if at.state in wanted.split(",")]
        if wanted := request.arg("build.event_type") or request.arg("event_type"):
            found = [(live, at) for live, at in found if live.plan.event in wanted.split(",")]
        if wanted := request.arg("branch.name"):
            found = [(live, at) for live, at in found if live.plan.branch in wanted.split(",")]
        page, info = paged(request, found)
        return json_response({
            "@type": "builds", "@href": request.path, "@representation": "standard", "@pagination": info,
            "builds": [shapes.build(live, at, of, token) for live, at in page],
        })  # fmt: skip

    async def build(self, request: Request) -> Response:
        """GET a build."""
        live, of = self._build(request)
        return json_response(shapes.build(live, build_at(live, self.state.clock()), of, self._token(request)))

    async def jobs(self, request: Request) -> Response:
        """GET the jobs of a build; they have no pages."""
        live, of = self._build(request)
        at, token = build_at(live, self.state.clock()), self._token(request)
        config = "job.config" in request.arg("include").split(",")
        order = {job.id: place for place, job in enumerate(live.jobs)}
        members = sorted(at.jobs, key=lambda each: order[each.job.id])
        return json_response({
            "@type": "jobs", "@href": request.path, "@representation": "standard",
            "jobs": [shapes.job(live, at, one, of, token, config=config) for one in members],
        })  # fmt: skip

    async def job(self, request: Request) -> Response:
        """GET a job."""
        live, _, moment, of = self._job(request)
        config = "job.config" in request.arg("include").split(",")
        at = build_at(live, self.state.clock())
        return json_response(shapes.job(live, at, moment, of, self._token(request), config=config))

    async def log(self, request: Request) -> Response:
        """GET a job's log as far as it is written."""
        moment = self._job(request, "log")[2]
        return json_response(shapes.log(moment, self.state.clock(), self._token(request)))

    async def log_text(self, request: Request) -> Response:
        """GET a job's log as text."""
        return text_response(written(self._job(request, "log")[2], self.state.clock())[0])

    def _admit(self, request: Request, permission: str, what: str, document: Any) -> Token:
        token = self._token(request)
        if not token.value:
            raise login_required()
        if not token.writes:
            raise insufficient(permission, what, document)
        return token

    def _act(
        self, request: Request, live: LiveBuild, what: str, state: str, jobs: list[LiveJob], document: dict[str, Any]
    ) -> Response:
        verb = request.match["verb"]
        if verb not in ("restart", "cancel"):
            raise Refused(404, "not_found", "resource not found (or insufficient access)")
        token = self._admit(request, verb, what, document)
        if verb == "restart":
            if state in BUSY:
                raise Refused(409, f"{what}_already_running", f"{what} already running, cannot restart")
            self.state.restart(live, jobs, token.person)
        else:
            if state in ENDED:
                raise Refused(409, f"{what}_not_cancelable", f"{what} is not running, cannot cancel")
            self.state.cancel(jobs)
        # The answer shows it as it was: the hub acts a moment later.
        answer = {"@type": "pending", what: document, "state_change": verb, "resource_type": what}
        return json_response(answer, 202)

    async def act_on_build(self, request: Request) -> Response:
        """POST restart or cancel."""
        live, _ = self._build(request)
        at = build_at(live, self.state.clock())
        moving = {id(each.job) for each in at.jobs if each.state not in ENDED}
        verb = request.match["verb"]
        jobs = live.jobs if verb == "restart" else [job for job in live.jobs if id(job) in moving]
        return self._act(request, live, "build", at.state, jobs, shapes.small_build(live, at))

    async def act_on_job(self, request: Request) -> Response:
        """POST restart or cancel."""
        live, job, moment, _ = self._job(request)
        document = {"@type": "job", "@href": f"/job/{job.id}", "@representation": "minimal", "id": job.id}
        return self._act(request, live, "job", moment.state, [job], document)

    async def ask(self, request: Request) -> Response:
        """POST a request for a build (https://docs.travis-ci.com/user/triggering-builds/)."""
        of = self._repository(request)
        token = self._admit(request, "create_request", "repository", shapes.repository(of))
        now = self.state.clock()
        by_api = [each for each in self.state.requests.values() if each.event == "api" and each.repository == of.slug]
        used = sum(each.created_at > now - API_BUILDS_S for each in by_api)
        if used >= API_BUILDS:
            raise Refused(
                429, "request_limit_reached", "request limit reached for resource", max_requests=API_BUILDS,
                per_seconds=API_BUILDS_S, repository=shapes.repository(of),
            )  # fmt: skip
        try:
            body = request.json() or {}
        except ValueError as error:
            raise Refused(400, "wrong_params", "wrong parameters") from error
        given = body.get("request") or {}
        branch = str(given.get("branch") or "main")
        asked = self.state.ask(of, branch, str(given.get("message") or ""), given.get("config") or {})
        payload = {
            "repository": {"id": of.id, "vcs_type": "GithubRepository", "owner_name": "acme", "name": of.name},
            "user": {"id": token.person.id}, "id": asked.id, "branch": branch,
            **{name: value for name, value in (("message", asked.message), ("config", asked.config)) if value},
        }  # fmt: skip
        return json_response({
            "@type": "pending", "remaining_requests": API_BUILDS - used, "repository": shapes.repository(of),
            "request": payload, "resource_type": "request",
        }, 202)  # fmt: skip

    async def request(self, request: Request) -> Response:
        """GET a request, with the builds that it made."""
        of = self._repository(request)
        asked = self.state.requests.get(int(request.match["request"])) if request.match["request"].isdigit() else None
        if asked is None or asked.repository != of.slug:
            raise not_found("request")
        live = self.state.build(str(asked.build)) if asked.build else None
        now = self.state.clock()
        made = shapes.small_build(live, build_at(live, now)) if live is not None else None
        return json_response(shapes.request(asked, now, of, made))

    async def env_vars(self, request: Request) -> Response:
        """GET the variables of a repository's settings."""
        of = self._repository(request)
        self._admit(request, "settings_read", "repository", shapes.repository(of))
        found = [
            shapes.env_var(of, "6c1f", "DEPLOY_TO", "staging", None),
            shapes.env_var(of, "77ab", "REGISTRY_PASSWORD", None, None),
            shapes.env_var(of, "a0d2", "CANARY", "10", "release"),
        ]
        return json_response({"@type": "env_vars", "@href": request.path, "@representation": "standard",
                              "env_vars": found})  # fmt: skip
