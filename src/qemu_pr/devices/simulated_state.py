"""What simulated logical units remember, in an SQLite file that many processes share."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qemu_pr.logical_unit import Nexus, Registration, Reservation
from qemu_pr.scsi import transport_ids
from qemu_pr.scsi.commands import ReservationType
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_keys import SenseKey

APPLICATION_ID = 0x51505253  # "QPRS", shown by file(1)
SCHEMA_VERSION = 1
LOCK_TIMEOUT = 30.0
"""How long a command waits for other processes' commands, in seconds."""

_SCHEMA = f"""
    CREATE TABLE disk (
        id INTEGER PRIMARY KEY,
        identity TEXT NOT NULL UNIQUE,
        generation INTEGER NOT NULL DEFAULT 0,
        aptpl INTEGER NOT NULL DEFAULT 0,
        holder INTEGER,                     -- of the persistent reservation: nexus.id
        type INTEGER                        -- of the persistent reservation
    );
    CREATE TABLE nexus (
        id INTEGER PRIMARY KEY,
        initiator BLOB NOT NULL,            -- TransportID
        target_port INTEGER NOT NULL,
        UNIQUE (initiator, target_port)
    );
    CREATE TABLE registration (
        place INTEGER PRIMARY KEY AUTOINCREMENT,
        disk INTEGER NOT NULL REFERENCES disk,
        nexus INTEGER NOT NULL REFERENCES nexus,
        key BLOB NOT NULL,
        all_tg_pt INTEGER NOT NULL,
        UNIQUE (disk, nexus)
    );
    CREATE INDEX registration_by_place ON registration (disk, place);
    CREATE INDEX registration_by_key ON registration (disk, key);
    CREATE TABLE unit_attention (
        disk INTEGER NOT NULL REFERENCES disk,
        nexus INTEGER NOT NULL REFERENCES nexus,
        asc INTEGER NOT NULL,
        ascq INTEGER NOT NULL,
        PRIMARY KEY (disk, nexus)
    ) WITHOUT ROWID;
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {SCHEMA_VERSION};
"""


class SimulationError(Exception):
    """A STATE file or an initiator name that cannot be used; the text says why and what to do."""


def open_state(path: str) -> sqlite3.Connection:
    """Open a STATE file, and create it if it is missing or empty.

    Args:
        path: The file.

    Returns:
        A connection without implicit transactions, which threads may share if they take turns.

    Raises:
        SimulationError: The file cannot be opened, or is no STATE file of this version.
    """
    try:
        # SQLite would create the file; this says by name what hinders it.
        with Path(path).open("ab"):
            pass
        connection = sqlite3.connect(
            path, timeout=LOCK_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        _check_owner(connection, path)
        # WAL with FULL: a command is on the medium before its reply leaves, at one sync each.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        with transaction(connection):
            if _is_empty(connection):
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
    except OSError as error:
        raise SimulationError(f"{path}: {error.strerror}") from error
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the second in what SQLite quotes
        raise SimulationError(
            f"{path}: {error}; name a new file, or one that --simulate made"
        ) from error
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Keep every other process out until the changes made inside are safe, or none was made.

    Raises:
        sqlite3.Error: The file cannot be locked, read or written.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _is_empty(connection: sqlite3.Connection) -> bool:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return bool(tables == 0)


def _check_owner(connection: sqlite3.Connection, path: str) -> None:
    """Refuse a file that this version did not make, before anything in it is changed."""
    if _is_empty(connection):
        return
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise SimulationError(f"{path}: an SQLite file of another program; name a new file")
    if version != SCHEMA_VERSION:
        raise SimulationError(
            f"{path}: made by another version of qemu-pr (format {version}, this one reads"
            f" {SCHEMA_VERSION}); name a new file"
        )


class SqliteState:
    """The memory of one simulated disk; see `qemu_pr.logical_unit.State`.

    Use it inside one `transaction` and then drop it.

    Args:
        connection: From `open_state`.
        identity: What the disk is known by; it is added if it is new.
    """

    def __init__(self, connection: sqlite3.Connection, identity: str) -> None:
        self._connection = connection
        row = self._one("SELECT id FROM disk WHERE identity = ?", identity)
        if row is None:
            row = self._one("INSERT INTO disk (identity) VALUES (?) RETURNING id", identity)
        assert row is not None
        self._disk: int = row[0]

    @property
    def generation(self) -> int:
        """PRGENERATION, 32 bits."""
        return self._attribute("generation")

    @generation.setter
    def generation(self, value: int) -> None:
        self._run("UPDATE disk SET generation = ? WHERE id = ?", value, self._disk)

    @property
    def aptpl(self) -> bool:
        """Whether registrations and reservation persist through a power loss."""
        return bool(self._attribute("aptpl"))

    @aptpl.setter
    def aptpl(self, value: bool) -> None:
        self._run("UPDATE disk SET aptpl = ? WHERE id = ?", value, self._disk)

    @property
    def reservation(self) -> Reservation | None:
        """The persistent reservation, None if there is none."""
        row = self._one(
            "SELECT initiator, target_port, type FROM disk JOIN nexus ON nexus.id = holder"
            " WHERE disk.id = ?",
            self._disk,
        )
        return None if row is None else Reservation(_nexus(*row[:2]), ReservationType(row[2]))

    @reservation.setter
    def reservation(self, value: Reservation | None) -> None:
        holder, type_ = (self._id(value.holder), value.type) if value else (None, None)
        self._run("UPDATE disk SET holder = ?, type = ? WHERE id = ?", holder, type_, self._disk)

    def registration(self, nexus: Nexus) -> Registration | None:
        """See `State.registration`."""
        row = self._one(
            "SELECT key, all_tg_pt FROM registration WHERE disk = ? AND nexus = ?",
            self._disk,
            self._id(nexus),
        )
        return None if row is None else _registration(*row)

    def registered(self, at_most: int | None = None) -> list[tuple[Nexus, Registration]]:
        """See `State.registered`."""
        rows = self._run(
            "SELECT initiator, target_port, key, all_tg_pt FROM registration"
            " JOIN nexus ON nexus.id = registration.nexus WHERE disk = ? ORDER BY place LIMIT ?",
            self._disk,
            -1 if at_most is None else at_most,
        )
        return [(_nexus(*row[:2]), _registration(*row[2:])) for row in rows]

    def count_registered(self) -> int:
        """See `State.count_registered`."""
        row = self._one("SELECT count(*) FROM registration WHERE disk = ?", self._disk)
        assert row is not None
        return int(row[0])

    def first_registered(self) -> Nexus | None:
        """See `State.first_registered`."""
        row = self._one(
            "SELECT initiator, target_port FROM registration"
            " JOIN nexus ON nexus.id = registration.nexus WHERE disk = ? ORDER BY place LIMIT 1",
            self._disk,
        )
        return None if row is None else _nexus(*row)

    def registered_with(self, key: int) -> list[Nexus]:
        """See `State.registered_with`."""
        rows = self._run(
            "SELECT initiator, target_port FROM registration"
            " JOIN nexus ON nexus.id = registration.nexus"
            " WHERE disk = ? AND key = ?",
            self._disk,
            key.to_bytes(8, "big"),
        )
        return [_nexus(*row) for row in rows]

    def register(self, nexus: Nexus, registration: Registration) -> None:
        """See `State.register`."""
        self._run(
            "INSERT INTO registration (disk, nexus, key, all_tg_pt) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (disk, nexus) DO UPDATE"
            " SET key = excluded.key, all_tg_pt = excluded.all_tg_pt",
            self._disk,
            self._id(nexus),
            registration.key.to_bytes(8, "big"),
            registration.all_tg_pt,
        )

    def unregister(self, nexus: Nexus) -> None:
        """See `State.unregister`."""
        self._run(
            "DELETE FROM registration WHERE disk = ? AND nexus = ?", self._disk, self._id(nexus)
        )

    def with_unit_attention(self) -> list[Nexus]:
        """See `State.with_unit_attention`."""
        rows = self._run(
            "SELECT initiator, target_port FROM unit_attention"
            " JOIN nexus ON nexus.id = unit_attention.nexus WHERE disk = ?",
            self._disk,
        )
        return [_nexus(*row) for row in rows]

    def establish_unit_attention(self, nexus: Nexus, sense: Sense) -> None:
        """See `State.establish_unit_attention`."""
        self._run(
            "INSERT OR IGNORE INTO unit_attention VALUES (?, ?, ?, ?)",
            self._disk,
            self._id(nexus),
            sense.asc,
            sense.ascq,
        )

    def take_unit_attention(self, nexus: Nexus) -> Sense | None:
        """See `State.take_unit_attention`."""
        row = self._one(
            "DELETE FROM unit_attention WHERE disk = ? AND nexus = ? RETURNING asc, ascq",
            self._disk,
            self._id(nexus),
        )
        return None if row is None else Sense(SenseKey.UNIT_ATTENTION, *row)

    def _id(self, nexus: Nexus) -> int:
        name = (nexus.initiator.encode(), nexus.target_port)
        row = self._one("SELECT id FROM nexus WHERE initiator = ? AND target_port = ?", *name)
        if row is None:
            row = self._one(
                "INSERT INTO nexus (initiator, target_port) VALUES (?, ?) RETURNING id", *name
            )
        assert row is not None
        return int(row[0])

    def _attribute(self, name: str) -> int:
        row = self._one(f"SELECT {name} FROM disk WHERE id = ?", self._disk)
        assert row is not None
        return int(row[0])

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()

    def _one(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        rows = self._run(statement, *values)
        return rows[0] if rows else None


def _nexus(initiator: bytes, target_port: int) -> Nexus:
    return Nexus(transport_ids.decode(initiator)[0], target_port)


def _registration(key: bytes, all_tg_pt: int) -> Registration:
    return Registration(int.from_bytes(key, "big"), bool(all_tg_pt))
