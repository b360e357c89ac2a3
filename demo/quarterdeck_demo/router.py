"""Routes: a method and a path pattern to a handler."""

from __future__ import annotations

import re
from urllib.parse import unquote

from quarterdeck_demo.messages import Handler, Request, Response, json_response


async def _no_such_route(request: Request) -> Response:
    return json_response({"message": f"no route {request.method} {request.path}"}, 404)


class Router:
    """Patterns as `/repos/{owner}/{repo}`; `{name*}` may hold slashes; the first that fits wins."""

    def __init__(self, not_found: Handler = _no_such_route) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self._not_found = not_found

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        """Add a route; a GET route answers HEAD too unless HEAD has one of its own before it."""
        parts = re.split(r"\{(\w+)(\*?)\}", pattern)
        regex = re.escape(parts[0])
        for name, star, rest in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            regex += f"(?P<{name}>{'.+' if star else '[^/]+'})" + re.escape(rest)
        self._routes.append((method, re.compile(regex), handler))

    async def __call__(self, request: Request) -> Response:
        for method, pattern, handler in self._routes:
            if method != request.method and (method, request.method) != ("GET", "HEAD"):
                continue
            if found := pattern.fullmatch(request.path):
                match = {name: unquote(value) for name, value in found.groupdict().items()}
                return await handler(request._replace(match=match))
        return await self._not_found(request)

    def methods(self, path: str) -> list[str]:
        """The methods that some route takes on this path: what a 405 lists in `Allow`."""
        return sorted({method for method, pattern, _ in self._routes if pattern.fullmatch(path)})
