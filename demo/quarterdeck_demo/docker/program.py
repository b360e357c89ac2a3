"""A very small shell: enough of `sh` for scripts of echo, sleep, exit, loops and traps.

Steps come out one by one, so that whoever runs them decides what time means. What it does not know it
answers as sh does: `sh: NAME: not found`, status 127.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from quarterdeck_demo.docker.wire import STDERR, STDOUT

Words = list[str]


class Out(NamedTuple):
    """Text on one of the streams."""

    stream: int
    text: str


class Sleep(NamedTuple):
    """Nothing happens for this many seconds."""

    seconds: float


class Exit(NamedTuple):
    """The program ends."""

    code: int


Step = Out | Sleep | Exit
SEPARATORS = frozenset((";", "&", "&&", "||", "|", "\n"))


@dataclass
class Shell:
    """What a script can see: variables, files by name, and commands beyond the built-in ones."""

    env: dict[str, str] = field(default_factory=dict)
    commands: dict[str, Callable[[Words], tuple[int, str]]] = field(default_factory=dict)
    traps: dict[str, str] = field(default_factory=dict)
    status: int = 0

    def run(self, script: str) -> Iterator[Step]:
        """The steps of a script; an `Exit` is the last one."""
        try:
            tokens = _tokens(script)
        except ValueError as error:
            yield Out(STDERR, f"sh: syntax error: {error}\n")
            yield Exit(2)
            return
        for step in self._block(tokens):
            yield step
            if isinstance(step, Exit):
                return
        yield Exit(self.status)

    def _block(self, tokens: Words) -> Iterator[Step]:
        at = 0
        skip = False
        while at < len(tokens):
            if tokens[at] == "while":
                do, done = _find(tokens, at, "do"), _matching_done(tokens, at)
                yield from self._loop(tokens[at + 1 : do], tokens[do + 1 : done])
                at = done + 1
                continue
            if tokens[at] in SEPARATORS:
                skip = (tokens[at] == "&&" and self.status != 0) or (tokens[at] == "||" and self.status == 0)
                at += 1
                continue
            end = at
            while end < len(tokens) and tokens[end] not in SEPARATORS:
                end += 1
            if not skip:
                yield from self._command(tokens[at:end])
            at = end

    def _loop(self, condition: Words, body: Words) -> Iterator[Step]:
        while True:
            yield from self._block(condition)
            if self.status:
                self.status = 0
                return
            slept = False
            for step in self._block(body):
                slept = slept or isinstance(step, Sleep)
                yield step
                if isinstance(step, Exit):
                    return
            if not slept:
                yield Sleep(0.01)

    def _command(self, words: Words) -> Iterator[Step]:
        stream = STDOUT
        for redirect in (">&2", "1>&2"):
            if redirect in words:
                words = [word for word in words if word != redirect]
                stream = STDERR
        words = [self._expand(word) for word in words if word not in ("2>&1",)]
        if not words:
            return
        name, *args = words
        if name == "exec":
            yield from self._command(args)
            yield Exit(self.status)
        elif name == "exit":
            yield Exit(int(args[0]) if args and args[0].isdigit() else self.status)
        elif name == "sleep":
            self.status = 0
            yield Sleep(_seconds(args[0] if args else "0"))
        elif name == "trap":
            if len(args) > 1:
                self.traps.update(dict.fromkeys((signal.removeprefix("SIG") for signal in args[1:]), args[0]))
            self.status = 0
        elif name in ("sh", "/bin/sh", "bash", "/bin/bash", "ash") and args[:1] in (["-c"], ["-ec"]):
            for step in Shell(self.env, self.commands).run(args[1] if len(args) > 1 else ""):
                if isinstance(step, Exit):
                    self.status = step.code
                else:
                    yield step
        elif "=" in name and name.split("=")[0].isidentifier():
            key, _, value = name.partition("=")
            self.env[key] = value
            self.status = 0
        else:
            yield from self._builtin(name, args, stream)

    def _builtin(self, name: str, args: Words, stream: int) -> Iterator[Step]:
        if name in ("true", ":", "wait", "cd", "set", "export"):
            self.status = 0
        elif name in ("false", "test", "["):
            self.status = 1
        elif name == "echo":
            newline = "" if args[:1] == ["-n"] else "\n"
            self.status = 0
            yield Out(stream, " ".join(args[1:] if not newline else args) + newline)
        elif name.rsplit("/", 1)[-1] in self.commands:
            self.status, text = self.commands[name.rsplit("/", 1)[-1]](args)
            if text:
                yield Out(STDERR if self.status else stream, text)
        else:
            self.status = 127
            yield Out(STDERR, f"sh: {name}: not found\n")

    def _expand(self, word: str) -> str:
        if "$" not in word:
            return word
        for key in sorted(self.env, key=len, reverse=True):
            word = word.replace("${" + key + "}", self.env[key]).replace("$" + key, self.env[key])
        return word.replace("$?", str(self.status))


def _tokens(script: str) -> Words:
    lexer = shlex.shlex(script.replace("\n", " ; "), posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    lexer.commenters = ""
    joined: Words = []
    for word in lexer:
        if (joined and joined[-1].endswith(">") and word.startswith("&")) or (joined and joined[-1].endswith(">&")):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _find(tokens: Words, start: int, word: str) -> int:
    return tokens.index(word, start) if word in tokens[start:] else len(tokens)


def _matching_done(tokens: Words, start: int) -> int:
    depth = 0
    for at in range(start, len(tokens)):
        depth += {"while": 1, "done": -1}.get(tokens[at], 0)
        if depth == 0:
            return at
    return len(tokens)


def _seconds(text: str) -> float:
    factor = {"m": 60.0, "h": 3600.0, "d": 86400.0, "s": 1.0}.get(text[-1:])
    try:
        return float(text) if factor is None else float(text[:-1]) * factor
    except ValueError:
        return 1e9 if text in ("inf", "infinity") else 0.0
