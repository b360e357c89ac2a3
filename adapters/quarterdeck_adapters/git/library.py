"""What GitPython reads well: reflogs, straight from their files. It starts no program for this.

No object of it crosses threads: `reflog` runs whole on the thread that calls it.
"""

from __future__ import annotations

import os
from io import BytesIO

import msgspec

from quarterdeck_lifecycle.errors import Malformed

MOST = 100
_TAIL_BYTES = 256 * 1024


class Moved(msgspec.Struct, frozen=True):
    """An entry of a reflog: to which commit, by whom, when (epoch seconds) and in which words."""

    sha: str
    by: str
    at: float
    message: str


def reflog(common_dir: str, ref: str, source: str, most: int = MOST) -> list[Moved]:
    """The last entries of a ref's reflog, newest first; none when there is no log. Blocks. Raises Malformed.

    Only the log's last 256 KB are read. A name that is not UTF-8 has its bytes replaced.
    """
    path = os.path.join(common_dir, "logs", ref)
    if not os.path.isfile(path):
        return []
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    from git.refs.log import RefLog

    try:
        entries = list(RefLog.iter_entries(BytesIO(_tail(path))))
    except (ValueError, OSError, LookupError) as error:
        raise Malformed(f"the reflog of {ref} cannot be read", source=source, why=str(error)) from error
    return [
        Moved(e.newhexsha, str(e.actor.name or e.actor.email or ""), float(e.time[0]), e.message or "")
        for e in reversed(entries[-most:])
    ]


def _tail(path: str) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
        cut = file.tell() > 0
        data = file.read(_TAIL_BYTES)
    if cut:
        data = data.partition(b"\n")[2]
    return data.decode("utf-8", "replace").encode()
