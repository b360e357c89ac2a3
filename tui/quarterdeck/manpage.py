"""The manual page, made of the command line's grammar: it cannot name what is not there. man(7) macros."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import click

EXIT_CODES = (
    ("0", "done; for status and doctor: everything answers"),
    ("1", "it failed, was rolled back, aborted, or is stuck"),
    ("2", "usage, or a config that cannot be used"),
    ("3", "refused: by policy, a freeze, another release, or what had moved"),
    ("4", "a system is unavailable"),
)
FILES = (
    ("quarterdeck.yaml", "the project's config; data only until `quarterdeck trust`"),
    ("~/.config/quarterdeck/config.yaml", "the operator's own, which wins key by key"),
    ("$QUARTERDECK_STATE, ~/.local/state/quarterdeck", "ledger, operations, the deck's line and its own log"),
)


def page(root: click.Group, version: str, day: float | None = None) -> str:
    """The whole page in roff."""
    date = time.strftime("%Y-%m-%d", time.gmtime(day))
    lines = [
        f'.TH QUARTERDECK 1 "{date}" "quarterdeck {_text(version)}" "User Commands"',
        ".SH NAME", r"quarterdeck \- one screen from a commit to a model in production",
        ".SH SYNOPSIS", r".B quarterdeck", r"[\fIOPTION\fR...] [\fICOMMAND\fR [\fIARG\fR...]]",
        ".SH DESCRIPTION", _text(_help(root)), ".SH OPTIONS", *_options(root, click.Context(root)), ".SH COMMANDS",
    ]  # fmt: skip
    for words, command in commands(root, "quarterdeck"):
        context = click.Context(command, info_name=words)
        usage = " ".join(command.collect_usage_pieces(context))
        lines += [".SS " + _text(f"{words} {usage}".strip()), _text(_help(command)), *_options(command, context)]
    lines += [".SH EXIT STATUS", *(line for code, text in EXIT_CODES for line in (".TP", f".B {code}", _text(text)))]
    lines += [".SH FILES", *(line for name, text in FILES for line in (".TP", f".I {_text(name)}", _text(text)))]
    return "\n".join(line for line in lines if line) + "\n"


def commands(group: click.Group, words: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that is no group, with all its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        if isinstance(command, click.Group):
            yield from commands(command, f"{words} {name}")
        else:
            yield f"{words} {name}", command


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for param in command.get_params(context):
        record = param.get_help_record(context)
        if record is not None and isinstance(param, click.Option) and "--help" not in param.opts:
            yield from (".TP", r"\fB" + _text(record[0]) + r"\fR", _text(record[1]) or r"\&")


def _help(command: click.Command) -> str:
    return re.sub(r"\s+", " ", (command.help or "").partition("\f")[0]).strip()


def _text(text: str) -> str:
    """Text as roff reads it: no line begins a request, no dash becomes a hyphen."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)
