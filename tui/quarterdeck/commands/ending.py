"""How a command ends: messages on standard error, and the exit codes of the contract."""

from __future__ import annotations

from collections.abc import Awaitable

import click

from quarterdeck.boot import Boot
from quarterdeck.commands.refs import Ambiguous
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.errors import QuarterdeckError, Refused, Unavailable


def fail(message: str, code: int) -> int:
    """A message on standard error, and the code."""
    click.echo(redact(f"quarterdeck: {message}"), err=True)
    return code


async def ended(boot: Boot, work: Awaitable[int]) -> int:
    """Do the work and close the boot. 1 failed, 2 a name that is none or several, 3 refused, 4 unavailable."""
    try:
        return await work
    except Ambiguous as error:
        return fail("\n  ".join([f"{error}; name one of", *map(str, error.candidates)]), 2)
    except LookupError as error:
        return fail(str(error.args[0]), 2)
    except Refused as error:
        return fail(str(error), 3)
    except Unavailable as error:
        return fail(str(error), 4)
    except QuarterdeckError as error:
        return fail(str(error), 1)
    finally:
        await boot.close()
