"""The endpoint of CodePipeline, CodeBuild, CloudWatch Logs and STS, which one `url` stands for."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from quarterdeck_demo.codepipeline.definitions import ACCOUNT, REGION
from quarterdeck_demo.codepipeline.machine import Machine, user
from quarterdeck_demo.codepipeline.past import machine_of
from quarterdeck_demo.codepipeline.reading import Reads
from quarterdeck_demo.codepipeline.signature import Unsigned, signer
from quarterdeck_demo.codepipeline.verbs import Verbs
from quarterdeck_demo.codepipeline.wire import Refused, answered, call_of, refusal
from quarterdeck_demo.faults import Faults
from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.story import Story

PER_SECOND = 100


class CodePipelineServer:
    """All of it is built at the first request. `machine` is what the tests move."""

    def __init__(self, story: Story, clock: Callable[[], float]) -> None:
        self.faults = Faults()
        digest = hashlib.sha256(f"aws/{story.seed}".encode()).hexdigest()
        self.key, self.reader_key = f"AKIA{digest[:16].upper()}", f"AKIA{digest[16:32].upper()}"
        self.token = digest[:40]
        """The secret access key of `key`, and of `reader_key`, which may only read."""
        self.per_second = PER_SECOND
        """How often an operation may be called within a second."""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        """The newest operations with their inputs."""
        self._story, self._clock = story, clock
        self._machine: Machine | None = None
        self._used: Counter[tuple[str, int]] = Counter()

    @property
    def machine(self) -> Machine:
        """Every execution."""
        if self._machine is None:
            self._machine = machine_of(self._story)
            self._verbs = Verbs(self._machine, self._story)
            self._reads = Reads(self._machine, self._verbs)
        return self._machine

    async def handler(self, request: Request, /) -> Response:
        """Answer one request."""
        try:
            who = signer(request, {self.key: self.token, self.reader_key: self.token})
            if request.body.startswith(b"Action=") or b"&Action=" in request.body:
                return _identity(request, user(self._login(who)))
            call = call_of(request)
            self.calls.append((call.operation, call.params))
            del self.calls[:-2000]
            return answered(request, self._answer(call.service, call.operation, call.params, who))
        except Unsigned as error:
            return refusal(request, Refused(error.code, str(error), error.status))
        except Refused as error:
            return refusal(request, error)

    def _login(self, key: str) -> str:
        return self._story.viewer.login if key == self.key else "reader"

    def _answer(self, service: str, operation: str, params: dict[str, Any], who: str) -> Any:
        machine, now = self.machine, self._clock()
        machine.advance(now)
        moment = (operation, int(now))
        self._used[moment] += 1
        if len(self._used) > 1000:
            self._used = Counter({moment: self._used[moment]})
        if self._used[moment] > self.per_second:
            raise Refused("ThrottlingException", "Rate exceeded")
        if service == "codebuild" and operation == "BatchGetBuilds":
            return self._reads.builds(params, now)
        if service == "logs" and operation == "GetLogEvents":
            return self._reads.events(params, now)
        if service == "codepipeline" and operation in self._reads.codepipeline:
            return self._reads.codepipeline[operation](params, now)
        verb = self._verbs.all.get(operation) if service == "codepipeline" else None
        if verb is None:
            raise Refused("UnknownOperationException", "")
        if who != self.key:
            name = params.get("pipelineName") or params.get("name")
            raise Refused(
                "AccessDeniedException",
                f"User: {user('reader')} is not authorized to perform: codepipeline:{operation} on resource: "
                f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:{name} because no identity-based policy allows the "
                f"codepipeline:{operation} action",
            )
        return verb(params, now)

    def source(self, url: str, token_file: str) -> dict[str, Any]:
        """The config of a source on it."""
        return {
            "name": "codepipeline", "system": "codepipeline", "url": url, "username": self.key,
            "password": {"file": token_file}, "options": {"region": REGION},
        }  # fmt: skip


def _identity(request: Request, arn: str) -> Response:
    """STS GetCallerIdentity, in its Query protocol.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    """
    if b"Action=GetCallerIdentity" not in request.body:
        wrong = b"<ErrorResponse><Error><Code>InvalidAction</Code></Error></ErrorResponse>"
        return Response(400, {"Content-Type": "text/xml"}, wrong)
    body = (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        f"<Arn>{escape(arn)}</Arn><UserId>AIDACKCEVSQ6C2EXAMPLE</UserId><Account>{ACCOUNT}</Account>"
        "</GetCallerIdentityResult><ResponseMetadata><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>"
        "</ResponseMetadata></GetCallerIdentityResponse>"
    )
    return Response(200, {"Content-Type": "text/xml"}, body.encode())
