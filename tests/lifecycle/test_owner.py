"""What a row belongs to, by its links alone."""

from __future__ import annotations

import msgspec
import pytest

from quarterdeck_lifecycle.kinds import Deployment, PullRequest, Repository, Run
from quarterdeck_lifecycle.owner import owner_of
from quarterdeck_lifecycle.records import Link, LinkKind, Record, Ref, Status

HEAD = "a" * 40


def repository(name: str, remote: str, head: str = "b" * 40) -> Repository:
    links = (Link(kind="repository", value=remote, evidence="remote"), Link(kind="commit", value=head, evidence="HEAD"))
    return Repository(ref=Ref("git", "repository", f"/src/{name}"), name=name, path=f"/src/{name}", links=links)


def run(source: str, slug: str, remote: str, head: str = HEAD) -> Run:
    links = (Link(kind="repository", value=remote, evidence="url"), Link(kind="commit", value=head, evidence="sha"))
    return Run(
        ref=Ref(source, "run", f"{slug}/1"), name="ci #1", status=Status.OK, system=source, repository=slug, number="1",
        head=head, links=links,
    )  # fmt: skip


API = repository("api", "github.com/acme/api")
ETL = repository("etl", "github.com/acme/etl", HEAD)


@pytest.mark.parametrize(
    ("row", "owner"),
    [
        (run("gh", "acme/api", "github.com/acme/api", "c" * 40), API),
        (run("gitlab", "acme/api", "gitlab.acme.example/acme/api", "c" * 40), API),
        (run("jenkins", "acme/other", "git.acme.example/acme/other"), ETL),
        (run("jenkins", "acme/other", "git.acme.example/acme/other", "c" * 40), None),
        (run("jenkins", "", "", "c" * 40), None),
    ],
    ids=["the remote", "the same path elsewhere", "its commit", "nothing of it", "a run that names no repository"],
)
def test_a_run_belongs_to_its_working_copy(row: Run, owner: Record | None) -> None:
    assert owner_of(row, [API, ETL, row]) == owner


def test_a_branch_of_the_same_name_is_no_bond() -> None:
    main = (Link(kind="branch", value="main", evidence="HEAD"),)
    etl = msgspec.structs.replace(repository("etl", "github.com/acme/etl"), links=(*ETL.links[:1], *main))
    row = run("gh", "acme/api", "github.com/acme/api", "c" * 40)
    assert owner_of(msgspec.structs.replace(row, links=(*row.links, *main)), [etl, API]) == API


def test_a_run_belongs_to_the_request_of_its_branch_or_number_and_to_no_other_of_its_repository() -> None:
    def request(slug: str) -> PullRequest:
        words = (("repository", f"github.com/{slug}"), ("branch", "fix"), ("pull_request", "31"))
        links = tuple(Link(kind=kind, value=value, evidence="head") for kind, value in words)
        return PullRequest(ref=Ref("gh", "pull_request", f"{slug}/31"), name="31", number=31, repository=slug,
                           title="fix", links=links)  # fmt: skip

    def of(kind: LinkKind, value: str) -> Run:
        row = run("gh", "acme/api", "github.com/acme/api", "c" * 40)
        return msgspec.structs.replace(row, links=(*row.links, Link(kind=kind, value=value, evidence="run")))

    rows = [request("acme/etl"), request("acme/api"), API]
    assert owner_of(of("branch", "main"), rows) == API
    assert owner_of(of("branch", "fix"), rows) == rows[1]
    assert owner_of(of("pull_request", "31"), rows) == rows[1]


def test_a_deployment_belongs_to_no_other_run_of_its_repository() -> None:
    other, repository_of = run("gh", "acme/api", "github.com/acme/api", "c" * 40), API.links[0]
    made = Deployment(ref=Ref("gh", "deployment", "7"), name="prod", system="github", repository="acme/api",
                      target="prod", links=(repository_of,))  # fmt: skip
    assert owner_of(made, [other, API, made]) == API


def test_of_two_working_copies_of_one_path_none_is_guessed() -> None:
    mirror = repository("mirror", "gitlab.com/acme/api")
    row = run("codepipeline", "acme/api", "codestar/acme/api", "c" * 40)
    assert owner_of(row, [API, mirror, row]) is None


def test_a_deployment_belongs_to_the_run_that_made_it() -> None:
    built = run("gitlab", "acme/api", "gitlab.acme.example/acme/api")
    link = Link(kind="run", value=built.ref.id, evidence="deployable")
    made = Deployment(
        ref=Ref("gitlab", "deployment", "acme/api/7"), name="prod", status=Status.OK, system="gitlab",
        repository="acme/api", target="prod", links=(link,),
    )  # fmt: skip
    assert owner_of(made, [API, built, made]) == built
