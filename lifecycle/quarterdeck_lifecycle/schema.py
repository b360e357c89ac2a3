"""The schema of state.db, as steps that only go forward: step N takes user_version from N to N + 1.

A step that was released never changes; what comes later is a new step.
"""

from quarterdeck_lifecycle.release.aliases import ALIAS_MOVES
from quarterdeck_lifecycle.watches import WATCHES

GENESIS = "0" * 64
"""What stands for the hash before the ledger's first row."""

_LEDGER = (
    """
    CREATE TABLE ledger (
        seq INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        op TEXT NOT NULL,
        actor TEXT NOT NULL,
        "from" TEXT NOT NULL,
        host TEXT NOT NULL,
        action TEXT NOT NULL,
        ref TEXT NOT NULL,
        before TEXT NOT NULL,
        after TEXT NOT NULL,
        why TEXT NOT NULL,
        step TEXT NOT NULL,
        phase TEXT NOT NULL CHECK (phase IN ('intent', 'outcome', 'refused', 'note')),
        result TEXT NOT NULL,
        prev TEXT NOT NULL,
        hash TEXT NOT NULL
    )
    """,
    "CREATE INDEX ledger_op ON ledger (op, phase)",
    "CREATE INDEX ledger_intents ON ledger (seq) WHERE phase = 'intent'",
    """
    CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
    """,
    """
    CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
    """,
    # INSERT OR REPLACE deletes without a delete trigger, so the place in the chain is checked too.
    """
    CREATE TRIGGER ledger_in_order BEFORE INSERT ON ledger
    WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM ledger)
        OR NEW.prev <> coalesce((SELECT hash FROM ledger ORDER BY seq DESC LIMIT 1), hex(zeroblob(32)))
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
    """,
)

_CHANGES = (
    """
    CREATE TABLE changes (
        id TEXT PRIMARY KEY,
        at TEXT NOT NULL,
        source TEXT NOT NULL,
        system TEXT NOT NULL,
        kind TEXT NOT NULL,
        ref TEXT NOT NULL,
        name TEXT NOT NULL,
        environment TEXT NOT NULL,
        what TEXT NOT NULL,
        before TEXT NOT NULL,
        after TEXT NOT NULL,
        by TEXT NOT NULL CHECK (by IN ('us', 'outside')),
        op TEXT NOT NULL,
        actor TEXT NOT NULL
    )
    """,
    "CREATE INDEX changes_at ON changes (at, id)",
    "CREATE INDEX changes_ref ON changes (ref, at)",
)

_OPERATIONS = (
    """
    CREATE TABLE operations (
        op TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        service TEXT NOT NULL,
        environment TEXT NOT NULL,
        user TEXT NOT NULL,
        actor TEXT NOT NULL,
        origin TEXT NOT NULL,
        host TEXT NOT NULL,
        reason TEXT NOT NULL,
        created_at TEXT NOT NULL,
        plan TEXT NOT NULL,
        context TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'ended')),
        result TEXT NOT NULL DEFAULT '',
        message TEXT NOT NULL DEFAULT '',
        ended_at TEXT NOT NULL DEFAULT ''
    )
    """,
    # Two that start a release of one service at the same time: the database lets one of them in.
    "CREATE UNIQUE INDEX operations_one ON operations (service, environment) WHERE state <> 'ended'",
    "CREATE INDEX operations_of ON operations (service, environment, op)",
    """
    CREATE TABLE asks (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        op TEXT NOT NULL,
        at TEXT NOT NULL,
        actor TEXT NOT NULL,
        ask TEXT NOT NULL,
        why TEXT NOT NULL
    )
    """,
    "CREATE INDEX asks_op ON asks (op, seq)",
    """
    CREATE TABLE approvals (
        op TEXT NOT NULL,
        digest TEXT NOT NULL,
        user TEXT NOT NULL,
        actor TEXT NOT NULL,
        host TEXT NOT NULL,
        at REAL NOT NULL,
        why TEXT NOT NULL,
        PRIMARY KEY (op, user)
    )
    """,
    """
    CREATE TABLE freezes (
        service TEXT NOT NULL,
        environment TEXT NOT NULL,
        user TEXT NOT NULL,
        actor TEXT NOT NULL,
        host TEXT NOT NULL,
        at TEXT NOT NULL,
        reason TEXT NOT NULL,
        until REAL,
        PRIMARY KEY (service, environment, user)
    )
    """,
)

_CHANGE_NOTES = ("ALTER TABLE changes ADD COLUMN note TEXT NOT NULL DEFAULT ''",)

_MUTES = (
    """
    CREATE TABLE mutes (
        user TEXT NOT NULL,
        key TEXT NOT NULL,
        ref TEXT NOT NULL,
        text TEXT NOT NULL,
        word TEXT NOT NULL,
        environment TEXT NOT NULL,
        harm INTEGER NOT NULL,
        calm INTEGER NOT NULL,
        grade INTEGER NOT NULL,
        mark TEXT NOT NULL,
        at REAL NOT NULL,
        until REAL,
        PRIMARY KEY (user, key)
    )
    """,
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (*_LEDGER, *_CHANGES), _OPERATIONS, ALIAS_MOVES, _CHANGE_NOTES, WATCHES, _MUTES,
)  # fmt: skip
