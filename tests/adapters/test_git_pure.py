"""The pure parts: addresses, answers, names, complaints."""

from __future__ import annotations

import pytest

from quarterdeck_adapters.git.faults import complaint, failure
from quarterdeck_adapters.git.mapping import Entry, WorkTree, judge, parse_log, parse_status, unique_names
from quarterdeck_adapters.git.safety import as_environment, parse_settings, value_of
from quarterdeck_adapters.git.urls import is_folder, normalised, rewritten, shown, web
from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    QuarterdeckError,
    Unavailable,
)
from quarterdeck_lifecycle.records import Status


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/acme/fraud-api.git", "github.com/acme/fraud-api"),
        ("https://joe:secret@GitHub.com:443/acme/fraud-api/", "github.com/acme/fraud-api"),
        ("git@github.com:acme/fraud-api.git", "github.com/acme/fraud-api"),
        ("ssh://git@gitlab.example.com:2222/group/sub/x.git", "gitlab.example.com/group/sub/x"),
        ("https://github.com/acme/x?token=secret#secret", "github.com/acme/x"),
        ("http://[::1]:8080/x.git", "[::1]/x"),
        ("/srv/git/x.git", ""),
        ("../x.git", ""),
        ("file:///srv/x.git", ""),
        ("./a:b", ""),
        ("", ""),
    ],
)
def test_one_spelling_of_an_address(url: str, name: str) -> None:
    assert normalised(url) == name
    assert is_folder(url) == (not name)
    assert "secret" not in shown(url)


def test_pages_of_known_forges_only() -> None:
    assert web("git@github.com:acme/x.git") == "https://github.com/acme/x"
    assert web("https://gitlab.acme.example/a/b/c") == "https://gitlab.acme.example/a/b/c"
    assert web("https://git.example.com/a/b") == ""
    assert web("https://github.com/a/b\x1b[31m") == ""
    assert web("/srv/github.com/a") == ""


def test_addresses_are_rewritten_as_git_does() -> None:
    rules = [
        ("url./srv/mirror/.insteadof", "https://example.com/"),
        ("url./srv/longer/.insteadof", "https://example.com/a/"),
        ("url.ssh://git@example.com/.pushinsteadof", "https://example.com/"),
    ]
    assert rewritten("https://example.com/x", rules) == "/srv/mirror/x"
    assert rewritten("https://example.com/a/x", rules) == "/srv/longer/x"
    assert rewritten("https://example.com/x", rules, push=True) == "ssh://git@example.com/x"
    assert rewritten("https://other.example/x", rules) == "https://other.example/x"


def test_status_with_every_kind_of_entry() -> None:
    answer = (
        b"# branch.oid aaaa\0# branch.head main\0# branch.upstream origin/main\0# branch.ab +2 -3\0# stash 4\0"
        b"1 M. N... 100644 100644 100644 h h a b.txt\0"
        b"2 R. N... 100644 100644 100644 h h R100 new name\0old name\0"
        b"1 .M N... 100644 100644 100644 h h \xff\0"
        b"u UU N... 100644 100644 100644 100644 h h h both\0? un tracked\0! ignored\0? cut off"
    )
    tree = parse_status(answer)
    assert (tree.head, tree.branch, tree.upstream, tree.ahead, tree.behind, tree.stashes) == (
        "aaaa", "main", "origin/main", 2, 3, 4,
    )  # fmt: skip
    assert [entry.path for entry in tree.entries] == ["a b.txt", "new name", "\udcff", "both", "un tracked"]
    assert [tree.count(what) for what in ("staged", "changed", "untracked", "conflict")] == [2, 1, 1, 1]
    assert parse_status(b"") == WorkTree()
    assert parse_status(b"# branch.oid (initial)\0# branch.head (detached)\0") == WorkTree()


def test_the_worst_is_said_first() -> None:
    dirty = (Entry(".M", "x"),)
    assert judge(WorkTree(head="a", ahead=1, behind=1, entries=dirty), "") == (Status.LOOK, "diverged")
    assert judge(WorkTree(head="a", behind=14, entries=dirty), "") == (Status.LOOK, "behind 14")
    assert judge(WorkTree(head="a", ahead=2, entries=dirty), "") == (Status.LOOK, "dirty")
    assert judge(WorkTree(head="a", ahead=2), "") == (Status.LOOK, "ahead 2")
    assert judge(WorkTree(head="a"), "rebasing") == (Status.BAD, "rebasing")
    assert judge(WorkTree(head="a"), "bisecting") == (Status.LOOK, "bisecting")
    assert judge(WorkTree(head="a", entries=(Entry("uU", "x"),)), "merging") == (Status.BAD, "conflicts")
    assert judge(WorkTree(head="a"), "") == (Status.OK, "clean")


def test_names_by_as_many_folders_as_it_takes() -> None:
    paths = ["/a/x/api", "/b/x/api", "/b/web", "/"]
    assert unique_names(paths) == {"/a/x/api": "a/x/api", "/b/x/api": "b/x/api", "/b/web": "web", "/": "/"}


def test_a_log_that_was_cut() -> None:
    one, two = parse_log(
        b"sha1\0A\x00017\0HEAD -> refs/heads/main, tag: refs/tags/v1\0subject\0sha2\0B\0x\0\0\0sha3\0C"
    )
    assert (one.at, one.tags, one.subject) == (17.0, ["v1"], "subject")
    assert (two.sha, two.at, two.refs) == ("sha2", None, ())


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"fatal: Authentication failed for 'https://github.com/a/b'", AuthFailed),
        (
            b"git@github.com: Permission denied (publickey).\r\nfatal: Could not read from remote repository.",
            AuthFailed,
        ),
        (b"Host key verification failed.\nfatal: Could not read", AuthFailed),
        (b"remote: Permission to a/b denied to joe.\nfatal: The requested URL returned error: 403", Forbidden),
        (b" ! [remote rejected] main -> main (protected branch hook declined)", Forbidden),
        (b" ! [rejected] main -> main (fetch first)", Conflict),
        (b"error: Your local changes to the following files would be overwritten by merge:\n\tx", Conflict),
        (b"fatal: Not possible to fast-forward, aborting.", Conflict),
        (b"fatal: Unable to create '/x/.git/index.lock': File exists.", Conflict),
        (b"fatal: unable to access 'https://x/': Could not resolve host: x", Unavailable),
        (b"fatal: couldn't find remote ref refs/pull/9/head", NotFound),
        (b"fatal: bad object 4015403deadbeef", Malformed),
        (b"", Malformed),
    ],
)
def test_complaints_are_understood(said: bytes, kind: type[QuarterdeckError]) -> None:
    error = failure("git fetch", said, source="git")
    assert type(error) is kind
    assert error.mend
    assert error.why


def test_a_complaint_is_cleaned() -> None:
    said = b"hint: do this\nremote: \x1b[31mno\x1b[0m\nfatal: unable to access 'https://joe:hunter2@example.com/x'\n"
    text = str(failure("git fetch", said, source="git"))
    assert "hunter2" not in text
    assert "joe" not in text
    assert "hint" not in text
    assert "\x1b" not in text
    assert complaint(b"a\nb\nc", limit=2) == "b\nc"


def test_config_listings() -> None:
    listing = b"global\0core.sshcommand\nssh\0local\0filter.a=b.clean\nx\ny\0local\0core.bare\0"
    settings = parse_settings(listing)
    assert [(s.scope, s.key, s.value) for s in settings] == [
        ("global", "core.sshcommand", "ssh"), ("local", "filter.a=b.clean", "x\ny"), ("local", "core.bare", "true"),
    ]  # fmt: skip
    assert value_of(settings, "core.bare", trusted_only=True) == ""
    assert as_environment([("a", "b"), ("c", "d")]) == {
        "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "a", "GIT_CONFIG_VALUE_0": "b", "GIT_CONFIG_KEY_1": "c",
        "GIT_CONFIG_VALUE_1": "d",
    }  # fmt: skip
