"""What the story's services do in their containers: output, health, use of the machine, and how they end."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace

from quarterdeck_demo.docker.state import Death, Line, Run, Usage
from quarterdeck_demo.docker.wire import STDERR, STDOUT
from quarterdeck_demo.story import Container, Story, log_lines, noise

ENDING = {"TERM": 0, "INT": 0, "QUIT": 131, "ABRT": 134}
UNHANDLED_TERM = 143
WAVE_S = 47.0
OOM_S = 240.0
CRASH_S = 420.0
BATCH_S = 90.0
FLAP_S = 120.0
ILL_PART_S = 45.0
START_MEMORY = 0.35


class ServiceLife:
    """A container of the story, or a new one that runs the image of a release."""

    def __init__(self, story: Story, spec: Container) -> None:
        self._story = story
        self.spec = spec
        self._broken = spec.release is not None and spec.release.broken

    def lines(self, run: Run, start: float, end: float) -> Iterator[Line]:
        spec = self._during(run)
        for line in log_lines(spec, start - 1e-6, end, self._story.timeline):
            if line.at >= start:
                text = _as_json(line.text) if self.spec.service == "scorer" else line.text
                yield Line(line.at, STDERR if line.stream == "stderr" else STDOUT, text + "\n")

    def death(self, run: Run, now: float) -> Death | None:
        at, code, oom = self._end(run)
        return Death(at, code, oom) if at <= now else None

    def on_signal(self, signal: str) -> int | None:
        if signal == "TERM" and self.spec.service == "etl":
            return UNHANDLED_TERM
        return ENDING.get(signal)

    def probe(self, test: list[str], at: float) -> tuple[int, str]:
        if test and self._ill(at):
            return 1, "timeout after 400ms\n"
        return 0, "ok\n"

    def usage(self, run: Run, at: float) -> Usage:
        ran = max(at - run.started, 0.0)
        turn = 2 * math.pi / WAVE_S
        phase = noise(self.spec.id, 1) * math.pi
        wave = 0.3 / turn * (math.cos(phase) - math.cos(phase + turn * ran))
        cpu = (self.spec.cpu or 3.0) / 100
        memory = self._memory(run, at)
        requests = ran * (1 + cpu * 12)
        return Usage(
            cpu_ns=int(max(cpu * (ran + wave), 0.0) * 1e9),
            memory=memory,
            cache=memory // 20,
            received=int(requests * 900),
            sent=int(requests * 2_400),
            read=int(ran * 120) + 4_194_304,
            written=int(ran * 800),
            pids=4 + int(cpu * 20),
        )

    def _during(self, run: Run) -> Container:
        finished = run.ended or 0.0
        code = self.spec.exit_code if finished == self.spec.finished_at else 0
        return replace(self.spec, started_at=run.started, finished_at=finished, exit_code=code)

    def _memory(self, run: Run, at: float) -> int:
        limit, ends = self.spec.memory_limit, self._end(run)
        if ends.oom and limit:
            part = min((at - run.started) / (ends.at - run.started), 1.0)
            return int(limit * (START_MEMORY + (0.99 - START_MEMORY) * part))
        base = self.spec.memory or 128 * 1024**2
        return int(base * (1 + 0.02 * noise(self.spec.id, int(at // 5))))

    def _end(self, run: Run) -> Death:
        """How the run ends when nobody touches it; at infinity for most."""
        wobble = 1 + 0.4 * noise(self.spec.id + "/end", run.number)
        if self.spec.service == "etl":
            if self.spec.memory_limit:
                return Death(run.started + OOM_S * wobble, 137, True)
            return Death(run.started + BATCH_S * wobble, 0)
        if self._broken and self.spec.number == 3:
            return Death(run.started + CRASH_S * wobble, 1)
        return Death(math.inf, 0)

    def _ill(self, at: float) -> bool:
        trouble = self._story.timeline.trouble(self.spec.service, self.spec.environment, at)
        if not self._broken or trouble < 0.5 or self.spec.number == 1:
            return False
        phase = noise(self.spec.id, 0) * FLAP_S
        return self.spec.number != 2 or (at + phase) % FLAP_S < ILL_PART_S


def _as_json(text: str) -> str:
    """A line `HH:MM:SS.mmm LEVEL message key=value` as structured logging writes it."""
    clock, _, rest = text.partition(" ")
    level, _, message = rest.partition(" ")
    words = message.split()
    fields = dict(word.split("=", 1) for word in words if "=" in word)
    plain = " ".join(word for word in words if "=" not in word)
    return json.dumps({"ts": clock, "level": level.lower(), "msg": plain, **fields})
