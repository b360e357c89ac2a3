"""`quarterdeck doctor`: what was found and on what evidence, what answers, what is missing and how to mend it."""

from __future__ import annotations

import asyncio
import json
import locale
import os
import shutil
import sys
from importlib.metadata import version
from typing import Any

import click

from quarterdeck.boot import Boot
from quarterdeck.terminal import refusal, slow_link, speaks_utf8
from quarterdeck_config.kubeconfig import read_kube
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.ports import Source
from quarterdeck_lifecycle.state import StateError, state_folder
from quarterdeck_lifecycle.text import clean_line

DISCOVERY_S, PROBE_S, TOTAL_S = 3.0, 1.0, 4.0
"""Seconds: discovery at most, a probe at least, and both together."""
TOOLS = ("git", "docker", "ssh", "tmux", "less", "kubectl", "k9s", "lazygit")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
@click.option("--bundle", is_flag=True, help="write all of it, versions, config and log into one redacted archive")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, bundle: bool) -> None:
    """Ends within seconds, whatever hangs. Exit code 0 when all is well, 4 when a source is down, 2 for the config."""
    boot = Boot(config=ctx.obj["config"], read_only=True)
    found = asyncio.run(examine(boot))
    if bundle:
        from quarterdeck.bundle import write_bundle

        try:
            click.echo(write_bundle(boot, found))
        except OSError as error:
            raise click.ClickException(f"no bundle was written: {error}") from error
        return
    click.echo(redact(json.dumps(found, indent=1)) if as_json else redact(text(found)))
    broken = any(source["answers"] is False for source in found["sources"])
    ctx.exit(2 if found["config"]["errors"] else 4 if broken else 0)


async def examine(boot: Boot) -> dict[str, Any]:
    """Everything doctor says, as one object."""
    clock = asyncio.get_running_loop().time
    end = clock() + TOTAL_S
    try:
        await boot.discover(DISCOVERY_S)
        left = max(PROBE_S, end - clock())
        sources = await asyncio.gather(*(_probe(source, left) for source in boot.hub.sources.values()))
        state = await _state(boot)
    finally:
        await boot.close()
    by_name = {finding.name: finding.evidence for finding in boot.findings if finding.used}
    for source in sources:
        source["evidence"] = by_name.get(source["name"], "configured")
    sources += [
        {"name": name, "system": boot.configs[name].system, "address": boot.configs[name].url or "", "answers": False,
         "version": "", "identity": "", "why": str(error), "warnings": [], "evidence": "configured"}
        for name, error in boot.failed.items()
    ]  # fmt: skip
    unused = [
        {"system": f.system, "url": f.url or "", "evidence": f.evidence, "why": f.why}
        for f in boot.findings
        if not f.used
    ]
    return {
        "version": version("quarterdeck"),
        "python": sys.version.split()[0],
        "actor": {"user": boot.actor.user, "host": boot.actor.host, "from": boot.actor.origin},
        "config": {
            "files": [str(path) for path in boot.loaded.files], "trusted": boot.loaded.trusted,
            "errors": [str(problem) for problem in boot.loaded.problems] + list(boot.key_problems),
            "held_back": list(boot.loaded.held_back),
        },
        "state": state,
        "sources": sources,
        "not_used": unused,
        "tools": {name: shutil.which(name) or "" for name in TOOLS},
        "kube": kube(boot),
        "terminal": terminal(boot),
    }  # fmt: skip


async def _probe(source: Source, deadline: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": source.name, "system": source.system, "address": source.address, "answers": False, "version": "",
        "identity": "", "why": "", "warnings": [],
    }  # fmt: skip
    try:
        async with asyncio.timeout(deadline):
            probe = await source.probe()
    except TimeoutError:
        row["why"] = f"no answer within {deadline:.1f} s"
    except QuarterdeckError as error:
        row["why"] = str(error)
    except Exception as error:
        row["why"] = f"{type(error).__name__}: {error}"
    else:
        denied = [f"{verb}: {why}" for verb, why in probe.can.items() if why]
        row |= {"answers": True, "version": probe.version, "identity": probe.identity,
                "warnings": [*probe.warnings, *denied]}  # fmt: skip
    return row


async def _state(boot: Boot) -> dict[str, Any]:
    folder = state_folder(boot.env)
    try:
        verified = await boot.ledger.verify()
    except StateError as error:
        return {"folder": str(folder), "ok": False, "why": str(error)}
    why = "" if verified.ok else f"the ledger is broken at row {verified.first_bad_seq}: {verified.reason}"
    return {"folder": str(folder), "ok": verified.ok, "rows": verified.rows, "why": why}


def kube(boot: Boot) -> dict[str, Any]:
    """The kubeconfig found here, read as data: no exec plugin of it is run."""
    found = read_kube(boot.env)
    contexts = [
        {"name": c.name, "cluster": c.cluster, "namespace": c.namespace, "server": c.server, "sign_in": c.sign_in,
         "current": c.current}
        for c in found.contexts
    ]  # fmt: skip
    return {"files": list(found.files), "contexts": contexts, "problems": list(found.problems)}


def terminal(boot: Boot) -> dict[str, Any]:
    """What the screen will make of this terminal."""
    size = shutil.get_terminal_size((0, 0))
    env = boot.env
    return {
        "TERM": env.get("TERM", ""), "COLORTERM": env.get("COLORTERM", ""), "locale": locale.setlocale(locale.LC_CTYPE),
        "utf8": speaks_utf8(env), "size": [size.columns, size.lines],
        "tty": sys.stdin.isatty() and sys.stdout.isatty(),
        "refused": refusal(os.environ, sys.stdin.isatty(), sys.stdout.isatty()),
        "tmux": bool(env.get("TMUX")), "ssh": bool(env.get("SSH_CONNECTION")),
        "slow_link": slow_link(boot.loaded.config.slow_link, env), "no_color": bool(env.get("NO_COLOR")),
    }  # fmt: skip


def text(found: dict[str, Any]) -> str:
    """The report for people."""
    actor = found["actor"]
    lines = [f"quarterdeck {found['version']}, Python {found['python']}, {actor['user']}@{actor['host']}", ""]
    config = found["config"]
    lines.append(f"config     {', '.join(config['files']) or 'none, which is fine'}")
    lines += [f"           {error}" for error in config["errors"]]
    lines += [f"           not trusted: {reason}" for reason in config["held_back"]]
    state = found["state"]
    whole = state["why"] or f"{state['rows']} rows in the ledger, whole"
    lines += [f"state      {state['folder']}: {whole}", "", "sources"]
    for source in found["sources"]:
        sign = "✓" if source["answers"] else "✗"
        who = " ".join(source[key] for key in ("address", "version", "identity") if source[key])
        lines.append(f"  {sign} {source['name']:<14} {source['system']:<11} {who}".rstrip())
        lines.append(f"      evidence: {source['evidence']}")
        if source["why"]:
            lines.append(f"      {source['why']}")
        lines += [f"      {warning}" for warning in source["warnings"]]
    if not found["sources"]:
        lines.append("  none; name one under sources: in quarterdeck.yaml, or look at `quarterdeck demo`")
    if found["not_used"]:
        lines += ["", "looked for and not used"]
        lines += [f"  {f['system']:<11} {f['evidence']} {f['url']}: {f['why']}" for f in found["not_used"]]
    if found["kube"]["files"]:
        lines += ["", f"kubeconfig {', '.join(found['kube']['files'])}: read, nothing of it was run; :kube on the deck"]
        for context in found["kube"]["contexts"]:
            sign = "*" if context["current"] else " "
            where = " ".join(clean_line(context[key]) for key in ("name", "server", "namespace") if context[key])
            lines.append(f"  {sign} {where} (signs in by {context['sign_in'] or 'nothing'})")
        lines += [f"    {clean_line(problem)}" for problem in found["kube"]["problems"]]
    lines += ["", "tools      " + ", ".join(f"{name} {path or 'missing'}" for name, path in found["tools"].items())]
    seen = found["terminal"]
    lines.append(
        f"terminal   TERM={seen['TERM'] or '-'} {seen['size'][0]}x{seen['size'][1]} "
        f"{'UTF-8' if seen['utf8'] else 'no UTF-8: ASCII signs'}{', tmux' if seen['tmux'] else ''}"
        f"{', over SSH' if seen['ssh'] else ''}{', slow-link profile' if seen['slow_link'] else ''}"
    )
    if seen["refused"]:
        lines.append(f"           {seen['refused']}")
    if seen["ssh"]:
        lines.append("           `ssh -C` shrinks what the screen sends up to 40 times")
    return "\n".join(lines)
