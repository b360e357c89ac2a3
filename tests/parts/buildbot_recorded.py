"""Answers of a Buildbot 4.3, as they were recorded; names and addresses are made up."""

from __future__ import annotations

from typing import Any

SHA, OTHER = "c4ef924739e4f7c7218fc76e6eac74a7edcf3b24", "58cb7af8156ea6438b9f760167615b8ae4af17b3"
BUILD: dict[str, Any] = {
    "builderid": 2, "buildid": 4, "buildrequestid": 5, "complete": True, "complete_at": 1795449759,
    "locks_duration_s": 0, "masterid": 1, "number": 2, "results": 2, "started_at": 1795449754, "workerid": 1,
    "state_string": "failed update (failure)",
    "properties": {
        "branch": ["main", "Build"], "revision": ["", "Build"], "got_revision": [SHA, "Git"],
        "repository": ["https://ada:pw@git.example/acme/fraud-api.git", "Build"], "project": ["fraud", "Build"],
        "owner": ["", "Force Build Form"], "owners": [["Ada <ada@example.invalid>"], "Build"],
        "scheduler": ["force", "Scheduler"], "workername": ["local", "Worker"],
    },
}  # fmt: skip
ASKED: dict[str, Any] = {
    "builderid": 2, "buildrequestid": 5, "buildsetid": 5, "claimed": False, "claimed_at": None,
    "claimed_by_masterid": None, "complete": False, "complete_at": None, "priority": 0, "properties": None,
    "results": -1, "submitted_at": 1795449752, "waited_for": False,
}  # fmt: skip
WORKER: dict[str, Any] = {"workerid": 1, "name": "local", "configured_on": [{"builderid": 2, "masterid": 1}],
          "connected_to": [{"masterid": 1}], "paused": False, "graceful": False, "pause_reason": None}  # fmt: skip
