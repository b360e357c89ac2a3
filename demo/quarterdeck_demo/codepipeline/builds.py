"""CodeBuild's builds and what they log, as functions of the action run and the moment.

https://docs.aws.amazon.com/codebuild/latest/APIReference/API_Build.html
https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details-phases.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

from quarterdeck_demo.codepipeline.definitions import ACCOUNT, REGION
from quarterdeck_demo.codepipeline.records import ActionRun, Execution

PHASES = (
    ("SUBMITTED", 0.0), ("QUEUED", 0.01), ("PROVISIONING", 0.08), ("DOWNLOAD_SOURCE", 0.04), ("INSTALL", 0.14),
    ("PRE_BUILD", 0.06), ("BUILD", 0.58), ("POST_BUILD", 0.05), ("UPLOAD_ARTIFACTS", 0.02), ("FINALIZING", 0.02),
)  # fmt: skip
"""Each phase and its part of the build's time."""
COMMANDS = {
    "tests": ("pytest -q --color=yes", "tests/test_{n}.py \x1b[32m{dots}\x1b[0m\x1b[32m [{percent:3}%]\x1b[0m"),
    "image": ("docker build -t $IMAGE_URI .", "#{n} [builder {n}/24] RUN pip install -r requirements/{n:02}.txt"),
    "smoke": ("python smoke.py --target staging", "GET /healthz 200 {ms}ms ({percent}% of the calls)"),
    "verify": ("python smoke.py --target production", "POST /score 200 {ms}ms ({percent}% of the calls)"),
    "load": ("k6 run load.js --rps $RATE", "running {percent:3}%  p95={ms}ms  rps={n}"),
    "report": ("python report.py", "wrote figure {n}"),
}  # fmt: skip
FAILURES = {
    "tests": (
        "\x1b[31m\x1b[1m____________________________ test_null_amount ____________________________\x1b[0m",
        "    def test_null_amount():", ">       assert minor(None) == 0", "\x1b[31mE       assert 412 == 0\x1b[0m",
        "\x1b[31mFAILED\x1b[0m tests/test_amount.py::\x1b[1mtest_null_amount\x1b[0m - assert 412 == 0",
        "\x1b[31m1 failed\x1b[0m, \x1b[32m213 passed\x1b[0m in 61.31s",
    ),
    "smoke": ("GET /healthz 503 30001ms", "ERROR: staging did not answer 200 within 30 s: 503 Service Unavailable"),
    "verify": ("POST /score 500 412ms", "ERROR: 7 of 100 calls failed: pool: timeout after 400ms"),
    "load": (
        "\x1b[31mERRO\x1b[0m[0540] thresholds on metrics 'http_req_duration' have been crossed",
        "     ✗ p(95)<300  p(95)=412.07ms", "error: load test failed: 1 of 3 thresholds crossed",
    ),
}  # fmt: skip
END_OF_BUILD = "[Container] {at} Phase complete: BUILD State: {state}"


def log_place(run: ActionRun) -> tuple[str, str]:
    """The log group and stream of a build."""
    project, _, identity = run.external.partition(":")
    return f"/aws/codebuild/{project}", identity


def log_arn(run: ActionRun) -> str:
    """The resource name of its log stream."""
    group, stream = log_place(run)
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:{stream}"


def _length(run: ActionRun) -> float:
    return max(1.0, (run.end or run.start) - run.start)


def _phases(run: ActionRun) -> list[tuple[str, float, float, str]]:
    """Each phase with when it starts and ends and how it ends; after a failed BUILD the rest is short."""
    made, at = [], run.start
    for name, part in PHASES:
        end = at + part * _length(run)
        failed = run.outcome == "Failed" and name == "BUILD"
        made.append((name, at, end, "FAILED" if failed else "SUCCEEDED"))
        at = end
    return made


def build(execution: Execution, run: ActionRun, number: int, now: float) -> dict[str, Any]:
    """The build, as BatchGetBuilds answers it."""
    project, _, identity = run.external.partition(":")
    ended = run.status(now) != "InProgress"
    phases: list[dict[str, Any]] = []
    current = "SUBMITTED"
    for name, start, end, state in _phases(run):
        if start > now:
            break
        current = name
        phase: dict[str, Any] = {"phaseType": name, "startTime": round(start, 3)}
        if end <= now:
            phase |= {"phaseStatus": state, "endTime": round(end, 3), "durationInSeconds": int(end - start)}
            if state == "FAILED":
                command = COMMANDS[run.action.name][0]
                said = f"Error while executing command: {command}. Reason: exit status 1"
                phase["contexts"] = [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": said}]
        phases.append(phase)
    group, stream = log_place(run)
    status = {"Succeeded": "SUCCEEDED", "Failed": "FAILED", "Abandoned": "STOPPED"}.get(run.status(now), "IN_PROGRESS")
    made = {
        "id": run.external, "arn": f"arn:aws:codebuild:{REGION}:{ACCOUNT}:build/{run.external}", "buildNumber": number,
        "startTime": round(run.start, 3), "currentPhase": "COMPLETED" if ended else current, "buildStatus": status,
        "sourceVersion": f"arn:aws:s3:::codepipeline-{REGION}-{ACCOUNT}/{execution.pipeline.name}/{identity[:8]}",
        "resolvedSourceVersion": execution.sha, "projectName": project, "phases": phases,
        "source": {"type": "CODEPIPELINE"}, "initiator": f"codepipeline/{execution.pipeline.name}",
        "environment": {
            "type": "LINUX_CONTAINER", "image": "aws/codebuild/standard:7.0", "computeType": "BUILD_GENERAL1_SMALL",
        },
        "logs": {
            "groupName": group, "streamName": stream, "cloudWatchLogsArn": log_arn(run),
            "cloudWatchLogs": {"status": "ENABLED"},
            "deepLink": f"https://console.aws.amazon.com/cloudwatch/home?region={REGION}#logEvent:group={group};stream={stream}",
        },
        "timeoutInMinutes": 60, "buildComplete": ended,
        "exportedEnvironmentVariables": [{"name": k, "value": v} for k, v in execution.outputs.items()]
        if run.action.name == "image" and ended else [],
    }  # fmt: skip
    if ended:
        made["endTime"] = round(run.changed(now), 3)
    return made


def lines(execution: Execution, run: ActionRun, now: float) -> list[tuple[float, str]]:
    """What it logged by now: epoch seconds and text, oldest first. About one line a second."""
    command, pattern = COMMANDS[run.action.name]
    random = Random(run.log)
    made: list[tuple[float, str]] = []

    def told(at: float, text: str) -> None:
        made.append((at, text))

    for name, start, end, state in _phases(run):
        if name in ("SUBMITTED", "QUEUED", "PROVISIONING"):
            continue
        told(start, f"[Container] {_clock(start)} Entering phase {name}")
        if name == "DOWNLOAD_SOURCE":
            told(start + 0.2, f"[Container] {_clock(start)} commit {execution.sha} of {execution.pipeline.slug}")
        if name == "BUILD":
            told(start + 0.1, f"[Container] {_clock(start)} Running command {command}")
            count = max(3, int(end - start) - 1)
            for n in range(1, count + 1):
                percent = n * 100 // count
                told(start + 0.2 + (end - start - 0.4) * n / count, pattern.format(
                    n=n, percent=percent, dots="." * random.randint(6, 40), ms=random.randint(40, 280)))  # fmt: skip
            if state == "FAILED":
                for text in FAILURES.get(run.action.name, ("error: it failed",)):
                    told(end - 0.1, text)
                told(end - 0.05, f"[Container] {_clock(end)} Command did not exit successfully {command} exit status 1")
            told(end, END_OF_BUILD.format(at=_clock(end), state=state))
    return [line for line in made if line[0] <= min(now, run.abandoned or now)]


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y/%m/%d %H:%M:%S.%f")
