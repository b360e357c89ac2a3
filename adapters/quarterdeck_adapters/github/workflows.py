"""Files of workflows, read at a commit or branch: what a dispatch may carry, and the concurrency group.

https://docs.github.com/en/rest/repos/contents?apiVersion=2022-11-28#get-repository-content
"""

from __future__ import annotations

from collections import OrderedDict
from urllib.parse import quote

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.ci.values import sha_of
from quarterdeck_adapters.github.api import Api
from quarterdeck_adapters.github.places import Place
from quarterdeck_adapters.github.workflow_file import Declared, declared
from quarterdeck_lifecycle.errors import Forbidden, NotFound

KEPT = 100


class Workflows:
    """Reads workflow files. What a commit holds does not change, so that is asked once."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._kept: OrderedDict[tuple[str, str, str], Declared] = OrderedDict()

    async def declared(self, place: Place, path: str, ref: str = "") -> Declared:
        """The file of a workflow at a ref, or on the default branch. Not known where it cannot be read.

        `path` is as the API has it, with or without `@REF` behind it.
        """
        path = path.partition("@")[0]
        key = (place.slug, path, ref)
        if not path or key in self._kept:
            return self._kept.get(key, Declared(False))
        try:
            content = await self.api.object(f"{place.root}/contents/{quote(path)}", {"ref": ref} if ref else None)
        except (NotFound, Forbidden):
            return Declared(False)
        found = await call(
            lambda: declared(content), deadline=5, source=self.api.source, what="reading the workflow's file"
        )
        if sha_of(ref):
            self._kept[key] = found
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found
