"""`deploy`, `rollback`, `promote`: planned here, carried out by a runner of its own, waited for unless `--detach`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click
import msgspec

from quarterdeck.boot import Boot
from quarterdeck.commands.ending import ended, fail
from quarterdeck.commands.planprint import print_plan
from quarterdeck.commands.watching import EXIT, watch
from quarterdeck.releasing.desk import Desk
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.errors import Conflict, QuarterdeckError, Refused, Unsupported
from quarterdeck_lifecycle.release.model import Event, Kind, Plan, Result
from quarterdeck_lifecycle.state import utc_now

F = TypeVar("F", bound=Callable[..., Any])
OPTIONS = (
    click.option("--env", "environment", default="", help="where; required when the service has several"),
    click.option("--dry-run", is_flag=True, help="print the steps, touch nothing"),
    click.option("--yes", is_flag=True, help="do not ask; needed without a terminal"),
    click.option("--confirm", "confirmed", default="", metavar="SERVICE", help="the name, where it has to be typed"),
    click.option("--reason", default="", help="why; required to write to what starts read-only"),
    click.option("--back", default="", help="what a failure goes back to: current, a revision, a digest"),
    click.option("--detach", is_flag=True, help="do not wait for its end"),
    click.option("--json", "as_json", is_flag=True, help="one JSON object a line"),
)


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """What every release takes."""

    environment: str = ""
    dry_run: bool = False
    yes: bool = False
    confirmed: str = ""
    reason: str = ""
    back: str = ""
    detach: bool = False
    as_json: bool = False
    answering: bool = False


def releasing(command: F) -> F:
    """The options of a release."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("service")
@click.argument("ref")
@releasing
@click.pass_context
def deploy(ctx: click.Context, /, service: str, ref: str, **flags: Any) -> None:
    """Put REF (a tag, a digest, image:, git:, model:NAME/VERSION) on SERVICE.

    Exit codes: 0 succeeded, 1 put back, failed or stuck, 2 usage, 3 refused, 4 unavailable.
    """

    def plan(desk: Desk, environment: str, given: Flags) -> Awaitable[Plan]:
        return desk.plan(service, environment, ref, back=given.back, reason=given.reason)

    _run(ctx, service, plan, flags, "deploy")


@click.command()
@click.argument("service")
@click.option("--to", "revision", default="", metavar="REV", help="v40, a digest, an operation; else the last proven")
@releasing
@click.pass_context
def rollback(ctx: click.Context, /, service: str, revision: str, **flags: Any) -> None:
    """Put back what was proven on SERVICE before: its image and its configuration. It is a release like any other."""

    def plan(desk: Desk, environment: str, given: Flags) -> Awaitable[Plan]:
        model, at, alias = service.rpartition("@")
        if at and service not in desk.boot.loaded.config.services:
            return desk.plan_alias_back(model, alias, environment, to_revision=revision, reason=given.reason)
        return desk.plan(
            service, environment, "", kind="rollback", to_revision=revision, back=given.back, reason=given.reason
        )

    _run(ctx, service, plan, flags, "rollback")


@click.command()
@click.argument("model")
@click.argument("version")
@click.option("--alias", required=True, metavar="NAME", help="which alias moves")
@click.option("--service", default="", help="which service proves it, where several serve the alias")
@releasing
@click.pass_context
def promote(ctx: click.Context, /, model: str, version: str, alias: str, service: str, **flags: Any) -> None:
    """Move an alias of MODEL to VERSION, with the gate of the service that serves it."""

    def plan(desk: Desk, environment: str, given: Flags) -> Awaitable[Plan]:
        return desk.plan_promote(
            model, version, alias, environment, reason=given.reason, back=given.back, service=service
        )

    _run(ctx, "", plan, flags, "promote")


Planning = Callable[[Desk, str, Flags], Awaitable[Plan]]


def _run(ctx: click.Context, service: str, planning: Planning, given: dict[str, Any], kind: Kind) -> None:
    flags = Flags(**given, answering=sys.stdin.isatty())
    boot = Boot(config=ctx.obj["config"], read_only=ctx.obj["read_only"])
    ctx.exit(asyncio.run(ended(boot, release(Desk(boot), service, planning, flags, kind))))


async def release(desk: Desk, service: str, planning: Planning, flags: Flags, kind: Kind) -> int:
    """Plan, ask, start, wait; answers the exit code. `service` is empty where the plan finds it."""
    if desk.boot.loaded.errors and not flags.dry_run:
        return fail(f"nothing is released while the config has errors: {desk.boot.loaded.errors[0]}", 2)
    environment = environment_of(desk, service, flags.environment) if service else flags.environment
    try:
        try:
            if kind == "rollback":
                await desk.make_room()
            if service and not flags.dry_run:
                await settle_dead(desk, service, environment)
            plan = await planning(desk, environment, flags)
            if flags.dry_run:
                print_plan(plan, await desk.outlives(), flags.as_json)
                return 0
            open_places(desk, plan, flags)
            await confirm(desk, plan, flags)
        except (Refused, Conflict, Unsupported) as error:
            if not flags.dry_run:
                await desk.refuse(kind, service or "-", environment or "-", str(error))
            raise
        await desk.start(plan)
    except (Refused, Conflict, Unsupported) as error:
        _say_end("REFUSED", error, flags)
        return fail(str(error), EXIT["REFUSED"])
    except QuarterdeckError as error:
        _say_end("FAILED", error, flags)
        raise
    if not flags.as_json:
        click.echo(plan.op)
    if flags.detach:
        if flags.as_json:
            begun = Event(op=plan.op, seq=0, at=utc_now(), step="", phase="plan", message="started, not waited for")
            click.echo(json.dumps(begun.to_dict()))
        return 0
    return await watch(desk, plan.op, as_json=flags.as_json, plan=plan)


def _say_end(result: Result, error: QuarterdeckError, flags: Flags) -> None:
    """The stream's last line for a release that was not started."""
    if flags.as_json:
        click.echo(redact(json.dumps({"op": "", "result": result, "message": str(error)})))


def environment_of(desk: Desk, service: str, asked: str) -> str:
    """The environment that is meant. Raises LookupError, which is a wrong use of the command."""
    having = [environment for name, environment in desk.services() if name == service]
    if not having and "@" in service:
        return asked
    if not having:
        known = ", ".join(dict.fromkeys(name for name, _ in desk.services())) or "none; add one under services:"
        raise LookupError(f"no service is called {service}; known are {known}")
    if asked and asked not in having:
        raise LookupError(f"{service} has no environment {asked}; it has {', '.join(having)}")
    if not asked and len(having) > 1:
        raise LookupError(f"{service} has several environments: --env {'|'.join(having)}")
    return asked or having[0]


async def settle_dead(desk: Desk, service: str, environment: str) -> None:
    """Recover what died on this service before anything is planned for it. Raises Refused for one that lives."""
    for row in await desk.history(service, environment, 1):
        if row.state == "dead":
            for op, result, message in await desk.recover(row.op):
                click.echo(redact(f"quarterdeck: operation {op} had lost its runner: {result}: {message}"), err=True)
        elif row.state != "ended":
            raise Refused(
                f"{service} in {environment} is being released",
                why=f"operation {row.op} by {row.actor} on {row.host} since {row.created_at}, at {row.step or 'start'}",
                mend=f"quarterdeck attach {row.op}",
            )


def open_places(desk: Desk, plan: Plan, flags: Flags) -> None:
    """Open what starts read-only for this command alone. Raises Refused."""
    policy = desk.boot.policy
    for place in desk.places(plan):
        access = policy.access(place)
        if access.open:
            continue
        why = access.why.partition(": W ")[0]
        if not (flags.yes and flags.reason.strip()):
            why += "; --yes --reason TEXT opens it for this command"
            raise Refused(f"{plan.service} was not released", why=why)
        opened = policy.open_for(place, flags.reason)
        if not opened.open:
            raise Refused(f"{plan.service} was not released", why=opened.why)


async def confirm(desk: Desk, plan: Plan, flags: Flags) -> None:
    """Have it confirmed as its places ask for. Raises Refused."""
    typed = desk.confirmation(plan) == "typed"
    if typed and flags.confirmed == plan.service and flags.yes:
        return
    if flags.yes and not typed:
        return
    if flags.yes or not flags.answering:
        asked = f"--confirm {plan.service}" if typed else ""
        missing = " ".join(filter(None, ("" if flags.yes else "--yes", asked)))
        why = f"{plan.environment} is protected" if typed and flags.yes else "no terminal to ask on"
        raise Refused(f"{plan.kind} of {plan.service} was not confirmed", why=f"{why}: {missing}")
    print_plan(plan, await desk.outlives(), False)
    said = click.prompt(f"type {plan.service}" if typed else "y confirms", default="", show_default=False)
    if said != (plan.service if typed else "y"):
        raise Refused(f"{plan.kind} of {plan.service} was not confirmed")


