"""The command line's grammar. The screen is imported only by the commands that draw one."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem


class Commands(click.Group):
    """Commands in the order they are written, each in its own module, imported when it runs."""

    lazy = {
        "status": ("quarterdeck.commands.status:status", "every pane once, without a screen"),
        "doctor": ("quarterdeck.commands.doctor:doctor", "what was found, what answers, what is missing"),
        "keys": ("quarterdeck.commands.keys:keys", "every key and verb"),
        "config": ("quarterdeck.commands.config:config", "check or show the config, print its schema"),
        "init": ("quarterdeck.commands.config:init", "write a quarterdeck.yaml of what was found here"),
        "trust": ("quarterdeck.commands.config:trust", "trust this project's quarterdeck.yaml as it is now"),
        "deploy": ("quarterdeck.commands.release:deploy", "put a new version on a service, proven or put back"),
        "rollback": ("quarterdeck.commands.release:rollback", "put back what was proven before"),
        "promote": ("quarterdeck.commands.release:promote", "move a model's alias to a version"),
        "attach": ("quarterdeck.commands.operations:attach", "follow an operation from its first line"),
        "abort": ("quarterdeck.commands.operations:abort", "stop an operation and put back what it switched"),
        "recover": ("quarterdeck.commands.operations:recover", "settle operations whose runner is dead"),
        "approve": ("quarterdeck.commands.operations:approve", "say yes to another user's release"),
        "freeze": ("quarterdeck.commands.operations:freeze", "no release of a service, until you unfreeze it"),
        "unfreeze": ("quarterdeck.commands.operations:unfreeze", "take your freeze away"),
        "report": ("quarterdeck.commands.operations:report", "the incident page of an operation"),
        "champion": ("quarterdeck.commands.champion:champion", "where an alias of a model was, and how that is known"),
        "changes": ("quarterdeck.commands.records:changes", "what changed in the last 7 days"),
        "ledger": ("quarterdeck.commands.records:ledger", "what was done from here"),
        "logs": ("quarterdeck.commands.logs:logs", "the log of a thing"),
        "where": ("quarterdeck.commands.trace:where_command", "in which environments a commit, image or model runs"),
        "trace": ("quarterdeck.commands.trace:trace_command", "from a commit to its model in production, or back"),
        "wait": ("quarterdeck.commands.wait:wait", "until it ends, fires, clears, moves or is healthy"),
        "do": ("quarterdeck.commands.do:do", "any verb, without a screen"),
        "demo": ("quarterdeck.commands.demo:demo", "the deck on the practice world"),
        "completions": ("quarterdeck.commands.shell:completions", "the completion script of bash, zsh or fish"),
        "man": ("quarterdeck.commands.shell:man", "the manual page"),
        "screenshot": ("quarterdeck.commands.screenshot:screenshot", "a picture of the deck as it is here"),
    }

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """All names."""
        return list(self.lazy)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module and answer the command."""
        known = self.lazy.get(cmd_name)
        if known is None:
            return None
        from importlib import import_module

        module, _, name = known[0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names without importing every command."""
        found = [
            CompletionItem(name, help=words) for name, (_, words) in self.lazy.items() if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The help without importing every command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in self.lazy.items()])


@click.group(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "config", type=click.Path(path_type=Path), help="this file instead of ./quarterdeck.yaml")
@click.option("--read-only", is_flag=True, help="nothing can be written, whatever is opened")
@click.option("--no-mouse", is_flag=True, help="leave the mouse to the terminal")
@click.option("--no-view", is_flag=True, help="the plain deck, not as it was left here; nor is this one kept")
@click.option("--debug", is_flag=True, help="faults of the program end it with a report")
@click.version_option(package_name="quarterdeck", prog_name="quarterdeck")
@click.pass_context
def cli(
    ctx: click.Context, config: Path | None, read_only: bool, no_mouse: bool, no_view: bool, debug: bool
) -> None:
    """One screen from a commit to a model in production. Without a command: the deck on what is found here."""
    ctx.obj = {"config": config, "read_only": read_only, "mouse": not no_mouse, "debug": debug, "view": not no_view}
    if ctx.invoked_subcommand is None:
        from quarterdeck.commands.deck import open_deck

        ctx.exit(
            open_deck(config=config, read_only=read_only, mouse=not no_mouse, debug=debug, last_view=not no_view)
        )
