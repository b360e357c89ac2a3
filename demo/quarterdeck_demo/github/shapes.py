"""The API's basic objects: users, repositories, commits. Schemas: simple-user, full-repository, commit.

https://docs.github.com/en/rest/repos/repos?apiVersion=2022-11-28
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from quarterdeck_demo.story.records import Commit, Person, Repository

HTML = "https://github.com"


@lru_cache(maxsize=8192)
def iso(at: float) -> str:
    """Epoch seconds as the API writes them."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_id(kind: str, number: int) -> str:
    """An opaque node id."""
    return f"{kind}_{base64.b64encode(str(number).encode()).decode().rstrip('=')}"


class Shapes:
    """Objects with the addresses of one server: `base` is what its clients reach it by."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._users: dict[tuple[Person, str], dict[str, Any]] = {}
        self._minimal: dict[str, dict[str, Any]] = {}

    def user(self, person: Person, kind: str = "User") -> dict[str, Any]:
        """simple-user; one object for all who ask, not to be changed."""
        if (person, kind) not in self._users:
            self._users[person, kind] = self._user(person, kind)
        return self._users[person, kind]

    def _user(self, person: Person, kind: str) -> dict[str, Any]:
        url = f"{self.base}/users/{person.login}"
        return {
            "login": person.login,
            "id": person.id,
            "node_id": node_id("U", person.id),
            "avatar_url": f"https://avatars.githubusercontent.com/u/{person.id}?v=4",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{HTML}/{person.login}",
            "followers_url": f"{url}/followers",
            "following_url": url + "/following{/other_user}",
            "gists_url": url + "/gists{/gist_id}",
            "starred_url": url + "/starred{/owner}{/repo}",
            "subscriptions_url": f"{url}/subscriptions",
            "organizations_url": f"{url}/orgs",
            "repos_url": f"{url}/repos",
            "events_url": url + "/events{/privacy}",
            "received_events_url": f"{url}/received_events",
            "type": kind,
            "user_view_type": "public",
            "site_admin": False,
        }

    def viewer(self, person: Person, created: float) -> dict[str, Any]:
        """private-user."""
        return {
            **self.user(person),
            "name": person.name,
            "company": "@acme",
            "blog": "",
            "location": None,
            "email": person.email,
            "hireable": None,
            "bio": None,
            "twitter_username": None,
            "notification_email": person.email,
            "public_repos": 1,
            "public_gists": 0,
            "followers": 4,
            "following": 2,
            "created_at": iso(created),
            "updated_at": iso(created),
            "private_gists": 0,
            "total_private_repos": 6,
            "owned_private_repos": 6,
            "disk_usage": 1234,
            "collaborators": 4,
            "two_factor_authentication": True,
            "plan": {"name": "team", "space": 976562499, "private_repos": 9999, "collaborators": 0},
        }

    def owner(self, repository: Repository) -> dict[str, Any]:
        """The organisation that owns a repository."""
        login = repository.slug.partition("/")[0]
        return self.user(Person(login, login, "", 4000), "Organization")

    def minimal_repository(self, repository: Repository) -> dict[str, Any]:
        """minimal-repository: what lists and runs carry; one object for all who ask, not to be changed."""
        if repository.slug not in self._minimal:
            self._minimal[repository.slug] = self._minimal_of(repository)
        return self._minimal[repository.slug]

    def _minimal_of(self, repository: Repository) -> dict[str, Any]:
        url = self.repository_url(repository)
        plain = (
            "contributors deployments downloads events forks hooks languages merges stargazers subscribers "
            "subscription tags teams"
        )
        parametrised = {
            "archive": "{archive_format}{/ref}", "assignees": "{/user}", "branches": "{/branch}",
            "collaborators": "{/collaborator}", "comments": "{/number}", "commits": "{/sha}",
            "compare": "{base}...{head}", "contents": "{+path}", "issues": "{/number}", "keys": "{/key_id}",
            "labels": "{/name}", "milestones": "{/number}", "pulls": "{/number}", "releases": "{/id}",
            "notifications": "{?since,all,participating}", "statuses": "{sha}",
        }  # fmt: skip
        slashed = {"archive", "compare", "contents", "statuses"}
        git = {"git_commits": "commits", "git_refs": "refs", "git_tags": "tags", "trees": "trees", "blobs": "blobs"}
        return {
            "id": repository.id,
            "node_id": node_id("R", repository.id),
            "name": repository.name,
            "full_name": repository.slug,
            "private": self.private(repository),
            "owner": self.owner(repository),
            "html_url": f"{HTML}/{repository.slug}",
            "description": repository.description,
            "fork": False,
            "url": url,
            **{f"{name}_url": f"{url}/{name}" for name in plain.split()},
            **{f"{n}_url": f"{url}/{n}{'/' if n in slashed else ''}{more}" for n, more in parametrised.items()},
            **{f"{name}_url": url + f"/git/{path}" + "{/sha}" for name, path in git.items()},
            "issue_comment_url": url + "/issues/comments{/number}",
            "issue_events_url": url + "/issues/events{/number}",
        }

    def repository(self, repository: Repository, pushed_at: float, open_pulls: int) -> dict[str, Any]:
        """repository: as lists of repositories and pull requests carry it."""
        return {
            **self.minimal_repository(repository),
            "git_url": f"git://github.com/{repository.slug}.git",
            "ssh_url": f"git@github.com:{repository.slug}.git",
            "clone_url": f"{HTML}/{repository.slug}.git",
            "svn_url": f"{HTML}/{repository.slug}",
            "mirror_url": None,
            "homepage": None,
            "size": 420,
            "stargazers_count": 3,
            "watchers_count": 3,
            "watchers": 3,
            "language": repository.language,
            "has_issues": True,
            "has_projects": True,
            "has_downloads": True,
            "has_wiki": False,
            "has_pages": False,
            "has_discussions": False,
            "forks_count": 0,
            "forks": 0,
            "archived": False,
            "disabled": False,
            "open_issues_count": open_pulls,
            "open_issues": open_pulls,
            "license": None,
            "allow_forking": True,
            "is_template": False,
            "web_commit_signoff_required": False,
            "topics": [],
            "visibility": "private" if self.private(repository) else "public",
            "default_branch": "main",
            "created_at": iso(repository.created_at),
            "updated_at": iso(pushed_at),
            "pushed_at": iso(pushed_at),
            "permissions": {"admin": False, "maintain": True, "push": True, "triage": True, "pull": True},
        }

    def full_repository(self, repository: Repository, pushed_at: float, open_pulls: int) -> dict[str, Any]:
        """full-repository: as `GET /repos/{owner}/{repo}` answers it."""
        return {
            **self.repository(repository, pushed_at, open_pulls),
            "network_count": 0,
            "subscribers_count": 4,
            "organization": self.owner(repository),
            "allow_squash_merge": True,
            "allow_merge_commit": True,
            "allow_rebase_merge": False,
            "allow_auto_merge": False,
            "delete_branch_on_merge": False,
        }

    @staticmethod
    def private(repository: Repository) -> bool:
        """Whether the anonymous may not see it."""
        return repository.name != "dashboards"

    def repository_url(self, repository: Repository) -> str:
        """The API's address of a repository."""
        return f"{self.base}/repos/{repository.slug}"

    def commit(self, repository: Repository, commit: Commit, author: Person | None) -> dict[str, Any]:
        """commit; `author` is the account that the address belongs to, None when there is none."""
        url = self.repository_url(repository)
        person = {"name": commit.author.name, "email": commit.author.email, "date": iso(commit.at)}
        account = self.user(author) if author else None
        verification = {"verified": False, "reason": "unsigned", "signature": None, "payload": None,
                        "verified_at": None}  # fmt: skip
        return {
            "sha": commit.sha,
            "node_id": "C_" + commit.sha[:20],
            "commit": {
                "author": person,
                "committer": person,
                "message": commit.message,
                "tree": {"sha": commit.sha, "url": f"{url}/git/trees/{commit.sha}"},
                "url": f"{url}/git/commits/{commit.sha}",
                "comment_count": 0,
                "verification": verification,
            },
            "url": f"{url}/commits/{commit.sha}",
            "html_url": f"{HTML}/{repository.slug}/commit/{commit.sha}",
            "comments_url": f"{url}/commits/{commit.sha}/comments",
            "author": account,
            "committer": account,
            "parents": [
                {"sha": p, "url": f"{url}/commits/{p}", "html_url": f"{HTML}/{repository.slug}/commit/{p}"}
                for p in commit.parents
            ],
        }

    def content(self, repository: Repository, path: str, ref: str, body: bytes) -> dict[str, Any]:
        """content-file: a file at a ref; `sha` is that of its git blob."""
        sha = hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()
        url = f"{self.repository_url(repository)}/contents/{path}?ref={ref}"
        git = f"{self.repository_url(repository)}/git/blobs/{sha}"
        html = f"{HTML}/{repository.slug}/blob/{ref}/{path}"
        return {
            "name": path.rpartition("/")[2],
            "path": path,
            "sha": sha,
            "size": len(body),
            "url": url,
            "html_url": html,
            "git_url": git,
            "download_url": f"https://raw.githubusercontent.com/{repository.slug}/{ref}/{path}",
            "type": "file",
            "content": base64.encodebytes(body).decode(),
            "encoding": "base64",
            "_links": {"self": url, "git": git, "html": html},
        }
