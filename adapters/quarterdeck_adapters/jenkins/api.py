"""The remote API over the shared client: `tree=` always, forms for writes, a crumb for those who have a password.

https://www.jenkins.io/doc/book/using/remote-access-api/
https://www.jenkins.io/doc/book/system-administration/authenticating-scripted-clients/
https://www.jenkins.io/doc/book/security/csrf-protection/
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.ci.api import ANY, JsonApi
from quarterdeck_adapters.ci.faults import pause, translated
from quarterdeck_adapters.ci.values import Json, shown, text
from quarterdeck_adapters.http import Answer
from quarterdeck_lifecycle.errors import AuthFailed, Conflict, Forbidden, NotFound, QuarterdeckError

SYSTEM = "Jenkins"
_PAGE = 64 * 1024
_TITLE = re.compile(r"<title>(.{0,500}?)</title>", re.IGNORECASE | re.DOTALL)
_SAID = re.compile(r"<p[^>]*>(.{1,500}?)</p>", re.IGNORECASE | re.DOTALL)


def words(answer: Answer) -> str:
    """What Jenkins said on the page that it answers an error with; empty for other bodies."""
    if "html" not in answer.headers.get("content-type", ""):
        return ""
    page = answer.body[:_PAGE].decode("utf-8", "replace")
    for pattern in (_SAID, _TITLE):
        if found := pattern.search(page):
            said = html.unescape(re.sub(r"<[^>]*>", " ", found[1])).strip()
            if said:
                return shown(said, 300)
    return ""


class Api(JsonApi):
    """Calls of one controller."""

    system = SYSTEM
    mend_malformed = "check the url, its path included (https://HOST/jenkins); or a login page stands between"

    def __init__(self, config: SourceConfig, context: Context, base: str) -> None:
        super().__init__(config, context, base)
        self._needs_crumb = config.token is None and config.password is not None and config.credentials
        self.version = ""

    def translated(self, answer: Answer, what: str) -> QuarterdeckError:
        """The typed error; the permission that is missing stands in a header."""
        source, headers, said = answer.source, answer.headers, words(answer)
        if pause(answer, said, self.now()) is not None:
            return translated(answer, what, self.now(), SYSTEM)
        if answer.status == 401 or (answer.status == 403 and headers.get("x-you-are-authenticated-as") == "anonymous"):
            return AuthFailed(
                what, source=source, why=said or str(answer.status),
                mend="username: and token: (an API token of that user) of this source; password: works, too",
            )  # fmt: skip
        if answer.status == 403:
            needs = headers.get("x-required-permission", "")
            mend = f"ask Jenkins' administrator for {needs}" if needs else "ask Jenkins' administrator for the right"
            return Forbidden(what, source=source, why=said or "403", scope=needs, mend=mend)
        found = translated(answer, what, self.now(), SYSTEM)
        if not said or isinstance(found, NotFound):
            return found
        return type(found)(what, source=source, why=f"{answer.status}: {said}")

    async def fields(self, path: str, tree: str) -> Json:
        """An object's fields by `tree=`: without it Jenkins sends all it has. Raises Malformed."""
        return await self.object(f"{path}/api/json", {"tree": tree})

    async def answer(
        self, path: str, params: Mapping[str, Any] | None = None, *, etag: bool = False, ok: Any = ()
    ) -> Answer:
        """As the base; remembers the version that every answer names."""
        answer = await super().answer(path, params, etag=etag, ok=ok)
        self.version = shown(answer.headers.get("x-jenkins", ""), 60) or self.version
        return answer

    async def post(self, path: str, form: Mapping[str, str] | None = None) -> Answer:
        """Send a write once, as a form; it needs the permit of the operation in progress."""
        what = f"POST {path}"
        self._open(what)
        headers = {**self.accept, **(await self._crumb() if self._needs_crumb else {})}
        answer = await self.http.request("POST", path, form=form, headers=headers, ok=ANY)
        self._charge(what, answer, None)
        return self._judged(answer, what)

    async def _crumb(self) -> dict[str, str]:
        """The crumb of our session, asked for right before each write; none where the controller wants none."""
        try:
            body = await self.fields("/crumbIssuer", "crumb,crumbRequestField")
        except NotFound:
            return {}
        field, crumb = text(body.get("crumbRequestField")), text(body.get("crumb"))
        if not re.fullmatch(r"[\w.-]{1,100}", field) or not re.fullmatch(r"[\x21-\x7e]{1,500}", crumb):
            raise Conflict("nothing was sent", source=self.source, why="Jenkins gave no crumb that can be sent")
        return {field: crumb}
