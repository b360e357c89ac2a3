"""GitHub's REST API: its headers, and how its refusals read.

https://docs.github.com/en/rest?apiVersion=2022-11-28
"""

from __future__ import annotations

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.ci.api import JsonApi, counting, together
from quarterdeck_adapters.github.faults import translated
from quarterdeck_adapters.github.places import api_address
from quarterdeck_adapters.http import Answer
from quarterdeck_lifecycle.errors import QuarterdeckError

__all__ = ["Api", "counting", "together"]
VERSION = "2022-11-28"


class Api(JsonApi):
    """Calls that answer JSON. All raise QuarterdeckError. While a limit is hit nothing is sent."""

    system = "GitHub"
    accept = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": VERSION}
    free_304 = True
    mend_malformed = (
        "check the url: the API of an Enterprise server is at https://HOST/api/v3; or a proxy stands between"
    )

    def __init__(self, config: SourceConfig, context: Context) -> None:
        super().__init__(config, context, api_address(config.url))

    def translated(self, answer: Answer, what: str) -> QuarterdeckError:
        """The typed error of an answer of 400 and above."""
        return translated(answer, what, self.now())
