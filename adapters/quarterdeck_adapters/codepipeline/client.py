"""botocore's clients behind one door: on a daemon thread, with a deadline, no write without a permit, never a retry.

botocore is imported with the first call, on that call's thread (boto3 would only add its resources, and S3's
transfers: 2 MB). What a write is, is decided where a request leaves the
process, so that nothing in this adapter can forget it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

from quarterdeck_adapters import blocking
from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.codepipeline.chain import quiet
from quarterdeck_adapters.codepipeline.faults import translated
from quarterdeck_adapters.codepipeline.models import Files
from quarterdeck_adapters.codepipeline.settings import Settings, shown_address
from quarterdeck_adapters.credential import Credential, Login
from quarterdeck_lifecycle.calls import CALLS
from quarterdeck_lifecycle.errors import AuthFailed, Malformed, QuarterdeckError, RateLimited, ToolMissing
from quarterdeck_lifecycle.permit import require

DEADLINE_S = 10.0
LOADING_S = 10.0
"""Seconds more for the first call, which imports botocore and reads the models."""
MAX_ANSWER = 16 * 1024 * 1024
"""Bytes; a page of log events, the largest answer, is 1 MB of text."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
MEND = "pip install quarterdeck[aws]"
READS = frozenset({
    "ListPipelines", "GetPipeline", "GetPipelineState", "ListPipelineExecutions", "GetPipelineExecution",
    "ListActionExecutions", "BatchGetBuilds", "GetLogEvents", "GetCallerIdentity",
})  # fmt: skip
"""All that may be sent without a permit: AWS's reads are POST, as its writes are."""
_shared_loader: list[Any] = []


class _Bounded:
    """botocore's HTTP session, whose answers are read in pieces and given up when they are too large."""

    def __init__(self, session: Any, source: str) -> None:
        self._session, self._source = session, source

    def send(self, request: Any) -> Any:
        """Send, and read the body. Raises Malformed for one that is larger than any of AWS's."""
        request.stream_output = True
        response = self._session.send(request)
        body = bytearray()
        for piece in response.raw.stream():
            body += piece
            if len(body) > MAX_ANSWER:
                response.raw.close()
                why = f"the answer is larger than {MAX_ANSWER >> 20} MiB"
                raise Malformed("AWS's answer was not read", source=self._source, why=why)
        response._content = bytes(body)
        return response

    def close(self) -> None:
        """Let go of its connections."""
        self._session.close()


class _Opened:
    """One sign-in and its clients; another sign-in has another one, so that no lock is waited for on the loop."""

    def __init__(self, login: Login | None) -> None:
        self.login = login
        self.lock = threading.Lock()
        self.clients: dict[str, Any] = {}
        self.session: Any = None


class Clients:
    """The calls of one source. All raise QuarterdeckError. While AWS asks for a pause nothing is sent."""

    def __init__(self, config: SourceConfig, context: Context, given: Settings) -> None:
        self.source = config.name
        self.given = given
        self.now = context.now
        self.skew_s = 0.0
        self.region = given.region
        self.deadline = config.deadline or DEADLINE_S
        self._credential = Credential(config, context)
        self._config = config
        self._opened = _Opened(None)
        self._closed_until, self._why, self._strikes = 0.0, "", 0

    @property
    def server_now(self) -> float:
        """Epoch seconds by AWS's clock."""
        return self.now() + self.skew_s

    async def call(self, service: str, operation: str, /, **params: Any) -> Mapping[str, Any]:
        """Send an operation once, and answer its output."""
        what = f"{service} {operation}"
        left = self._closed_until - self.now()
        if left > 0:
            raise RateLimited(
                what, source=self.source, why=f"not sent, as AWS asked for a pause: {self._why}", retry_after=left,
                mend=f"it ends in {left:.0f} s",
            )  # fmt: skip
        opened = await self._sign_in()

        def work() -> Mapping[str, Any]:
            try:
                return self._send(self._client(opened, service), operation, params)
            except Exception as error:
                address = shown_address(self.given)
                raise translated(
                    error, source=self.source, what=what, address=address, now=self.server_now
                ) from error

        seconds = self.deadline + 1 + (0.0 if service in opened.clients else LOADING_S)
        try:
            answer = await blocking.call(work, deadline=seconds, source=self.source, what=what)
        except RateLimited as error:
            raise self._paused(error) from error
        except AuthFailed:
            self._forget()
            raise
        self._strikes = 0
        return answer

    def _paused(self, error: RateLimited) -> RateLimited:
        """AWS names no time: twice as long after each refusal."""
        wait = error.retry_after
        if wait is None:
            wait = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self._strikes)
        self._strikes = min(self._strikes + 1, 10)
        self._closed_until, self._why = self.now() + wait, error.why
        return RateLimited(
            error.what, source=error.source, why=error.why, retry_after=wait,
            mend="the limit is the account's: make interval: of this source longer, or name fewer pipelines in repos:",
        )  # fmt: skip

    async def _sign_in(self) -> _Opened:
        """Resolve what the config names; without it AWS's own chain does, on the thread of the call."""
        if not self._config.credentials:
            raise AuthFailed(
                "nothing is signed", source=self.source, why="no credential of yours goes to what this file names",
                mend="trust the project's config (quarterdeck trust), or configure the source yourself",
            )  # fmt: skip
        login = await self._credential.login()
        if login is not None and not self._config.username:
            raise AuthFailed(
                "half a credential", source=self.source, why="a secret key without its access key",
                mend="name the access key in username:, its secret in password:",
            )  # fmt: skip
        if login != self._opened.login:
            self._opened = _Opened(login)
        return self._opened

    def _forget(self) -> None:
        """Sign in anew with the next call: this credential was refused."""
        self._credential.forget()
        self._opened = _Opened(None)

    def _send(self, client: Any, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        from botocore import xform_name

        told = params.get("pipelineName") or params.get("name") or params.get("logStreamName") or ""
        with CALLS.call(self.source, "POST", f"{client.meta.endpoint_url}/ {operation} {told}".rstrip()) as made:
            try:
                answer: Mapping[str, Any] = getattr(client, xform_name(operation))(**params)
            except Exception as error:
                response = getattr(error, "response", None)
                if isinstance(response, dict):
                    made.status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
                raise
            made.status = answer["ResponseMetadata"]["HTTPStatusCode"]
        return answer

    def _client(self, opened: _Opened, service: str) -> Any:
        with opened.lock:
            if service not in opened.clients:
                opened.clients[service] = self._made(opened, service)
            return opened.clients[service]

    def _made(self, opened: _Opened, service: str) -> Any:
        try:
            import botocore.config
            import botocore.session
        except ImportError as error:
            raise ToolMissing("CodePipeline needs botocore", source=self.source, why=str(error), mend=MEND) from error
        if opened.session is None:
            core = botocore.session.Session(profile=self.given.profile or None)
            if not _shared_loader:
                loader = core.get_component("data_loader")
                loader.file_loader = Files()
                _shared_loader.append(loader)
            core.register_component("data_loader", _shared_loader[0])
            quiet(core, self.source)
            if opened.login is not None:
                core.set_credentials(opened.login.username, opened.login.secret)
            self.region = self.given.region or core.get_config_variable("region") or ""
            opened.session = core
        config = botocore.config.Config(
            connect_timeout=min(self.deadline, 5.0), read_timeout=self.deadline, max_pool_connections=8,
            retries={"mode": "standard", "total_max_attempts": 1}, user_agent_extra="quarterdeck",
            **({"proxies": {}} if self.given.endpoint else {}),
        )  # fmt: skip
        made = opened.session.create_client(
            service, self.given.region or None, endpoint_url=self.given.endpoint or None, config=config,
            verify=False if self._config.insecure else self._config.ca_file or None,
        )  # fmt: skip
        made._endpoint.http_session = _Bounded(made._endpoint.http_session, self.source)
        made.meta.events.register_first("before-send", self._gate)
        made.meta.events.register_last("response-received", self._judge)
        return made

    def _gate(self, event_name: str, **_: Any) -> None:
        """The last stop of every request: one that could write needs the permit for this source."""
        operation = event_name.rpartition(".")[2]
        if operation not in READS:
            require(self.source, operation)

    def _judge(
        self, event_name: str, response_dict: Any = None, parsed_response: Any = None, **_: Any
    ) -> None:
        """botocore takes a page of HTML or half a JSON text for an empty answer: such a one is no answer."""
        if not isinstance(response_dict, dict) or not isinstance(parsed_response, dict):
            return
        headers, body = response_dict.get("headers") or {}, response_dict.get("body") or b""
        with suppress(TypeError, ValueError):
            self.skew_s = parsedate_to_datetime(headers.get("date", "")).timestamp() - self.now()
        if response_dict.get("status_code", 200) >= 300:
            return
        what = event_name.rpartition(".")[2]
        kind = str(headers.get("content-type", ""))
        empty = not set(parsed_response) - {"ResponseMetadata"}
        if "html" in kind or (empty and body.strip() not in (b"", b"{}")):
            said = "an HTML page instead of JSON" if "html" in kind else "an answer that is no JSON of it"
            raise Malformed(
                f"{what} sent {said}", source=self.source, why=kind.split(";")[0],
                mend="check url: of this source; a proxy or a login page may stand between",
            )  # fmt: skip

    async def close(self) -> None:
        """Let go of every connection. A thread that still waits for an answer is left to its own deadline."""
        opened, self._opened = self._opened, _Opened(None)
        clients = list(opened.clients.values())

        def work() -> None:
            for client in clients:
                client.close()

        if clients:
            with suppress(QuarterdeckError):
                await blocking.call(work, deadline=1, source=self.source, what="closing")
