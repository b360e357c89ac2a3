"""What programs in containers do: scripts, and the services of the story."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from quarterdeck_demo.docker import program
from quarterdeck_demo.docker.state import Death, Line, Run, Usage

KEPT_LINES = 20_000
MOST_PROBE_STEPS = 100


class ScriptLife:
    """A container whose command the small shell can run: `sh -c ...`, `sleep 60`, `echo hi`."""

    def __init__(self, words: list[str], env: dict[str, str] | None = None) -> None:
        self._words = words
        self._env = dict(env or {})
        self._runs: dict[int, _Playing] = {}
        self._shell = program.Shell()

    def lines(self, run: Run, start: float, end: float) -> Iterator[Line]:
        playing = self._play(run, end if run.ended is None else min(end, run.ended))
        last = end if run.ended is None else min(end, run.ended)
        return (line for line in playing.lines if start <= line.at <= last)

    def death(self, run: Run, now: float) -> Death | None:
        playing = self._play(run, now)
        return playing.death if playing.death and playing.death.at <= now else None

    def on_signal(self, signal: str) -> int | None:
        if signal in self._shell.traps:
            steps = program.Shell(dict(self._env)).run(self._shell.traps[signal])
            explicit = "exit" in self._shell.traps[signal]
            code = next((step.code for step in steps if isinstance(step, program.Exit)), 0)
            return code if explicit else None
        return None

    def probe(self, test: list[str], at: float) -> tuple[int, str]:
        kind, *words = test
        script = words[0] if kind == "CMD-SHELL" else " ".join(map(_quoted, words))
        steps = list(islice(program.Shell(dict(self._env, NOW=str(int(at)))).run(script), MOST_PROBE_STEPS))
        output = "".join(step.text for step in steps if isinstance(step, program.Out))
        return next((step.code for step in steps if isinstance(step, program.Exit)), 137), output

    def usage(self, run: Run, at: float) -> Usage:
        ran = max(at - run.started, 0.0)
        return Usage(int(ran * 4e6) + 20_000_000, 737_280, 4096, 806 + int(ran) * 10, 0, 0, 0, 1)

    def _play(self, run: Run, until: float) -> _Playing:
        if run.number not in self._runs:
            self._shell = program.Shell(dict(self._env))
            self._runs[run.number] = _Playing(self._steps(self._shell), run.started)
        playing = self._runs[run.number]
        playing.play(until)
        return playing

    def _steps(self, shell: program.Shell) -> Iterator[program.Step]:
        name = self._words[0].rsplit("/", 1)[-1]
        if name in ("sh", "bash", "ash") and self._words[1:2] in (["-c"], ["-ec"]):
            return shell.run(" ".join(self._words[2:3]))
        if name in ("sh", "bash", "ash"):
            return iter([program.Exit(0)])
        return shell.run(" ".join(map(_quoted, self._words)))


class _Playing:
    """One run of a script, played as far as somebody has looked."""

    def __init__(self, steps: Iterator[program.Step], started: float) -> None:
        self._steps = steps
        self._at = started
        self.lines: list[Line] = []
        self.death: Death | None = None

    def play(self, until: float) -> None:
        while self.death is None and self._at <= until:
            step = next(self._steps, program.Exit(0))
            if isinstance(step, program.Out):
                self._at += 2e-5
                self.lines.append(Line(self._at, step.stream, step.text))
                del self.lines[:-KEPT_LINES]
            elif isinstance(step, program.Sleep):
                self._at += step.seconds
            else:
                self._at += 0.02
                self.death = Death(self._at, step.code)


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
