"""The STATE file: an SQLite file that many processes share, and that may be replaced or damaged.

Every transaction begins, while no other process can write, by making sure of two things:

- The path leads to the file that is open. If another file is there, it goes on with that one: of
  hosts that went on with different files, each would be told that it holds the reservation.
- What SQLite is going to read is undamaged. SQLite keeps what it has read until it learns that
  another process has written the file. So the whole file is checked when it has been opened, and
  when another process has written it: its structure by SQLite, each row by its checksum.

The file has no write-ahead log: from a damaged log SQLite drops the last commands without a word,
and it would use the log of a STATE that was deleted for the one that was made in its place. It has
a rollback journal, which undoes a command in whose midst a process was killed.
"""

import os
import sqlite3
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

APPLICATION_ID = 0x51505253  # "QPRS", shown by file(1)
SCHEMA_VERSION = 2
LOCK_TIMEOUT = 30.0
"""How long a command waits for other processes' commands, in seconds."""


def _checksum(*columns: str) -> str:
    """Define the column that SQLite fills whenever it writes a row, and compares in its check."""
    value = f"row_checksum({', '.join(columns)})"
    return f"checksum INTEGER AS ({value}) STORED CHECK (checksum IS {value})"


# As SQLite keeps them: it is told from the text whether the tables are undamaged.
_SCHEMA = (
    f"""CREATE TABLE disk (
        id INTEGER PRIMARY KEY,
        identity BLOB NOT NULL UNIQUE,
        generation INTEGER NOT NULL DEFAULT 0,
        aptpl INTEGER NOT NULL DEFAULT 0,
        holder BLOB,                        -- of the persistent reservation: TransportID
        holder_port INTEGER,
        type INTEGER,                       -- of the persistent reservation
        {_checksum("id", "identity", "generation", "aptpl", "holder", "holder_port", "type")},
        FOREIGN KEY (id, holder, holder_port)
            REFERENCES registration (disk, initiator, target_port)
    )""",
    f"""CREATE TABLE registration (
        place INTEGER PRIMARY KEY,
        disk INTEGER NOT NULL REFERENCES disk,
        initiator BLOB NOT NULL,            -- TransportID
        target_port INTEGER NOT NULL,
        key BLOB NOT NULL,
        all_tg_pt INTEGER NOT NULL,
        {_checksum("place", "disk", "initiator", "target_port", "key", "all_tg_pt")},
        UNIQUE (disk, initiator, target_port)
    )""",
    "CREATE INDEX registration_by_place ON registration (disk, place)",
    "CREATE INDEX registration_by_key ON registration (disk, key)",
    f"""CREATE TABLE unit_attention (
        disk INTEGER NOT NULL REFERENCES disk,
        initiator BLOB NOT NULL,
        target_port INTEGER NOT NULL,
        asc INTEGER NOT NULL,
        ascq INTEGER NOT NULL,
        {_checksum("disk", "initiator", "target_port", "asc", "ascq")},
        PRIMARY KEY (disk, initiator, target_port)
    ) WITHOUT ROWID""",
)

_SETTINGS = (
    "journal_mode = TRUNCATE",
    "synchronous = OFF",  # four times a command; once, after it, is done here
    "trusted_schema = ON",  # some builds of SQLite would not call row_checksum
    # What was checked stays in memory: 64 MiB hold half a million registrations.
    "mmap_size = 0",
    "cache_size = -65536",
)

# What is looked at, how, and what is found in a file that is undamaged.
_CHECKS: tuple[tuple[str, str, list[tuple[str, ...]]], ...] = (
    (
        "its tables",
        "SELECT sql FROM sqlite_schema WHERE sql NOT NULL ORDER BY rowid",
        [(statement,) for statement in _SCHEMA],
    ),
    ("its contents", "PRAGMA integrity_check(1)", [("ok",)]),
    ("what belongs together", "PRAGMA foreign_key_check", []),
)

_NAME_ANOTHER = "name a new file, or one that --simulate made"
_ADVICE = {
    sqlite3.SQLITE_BUSY: "end the program that keeps it locked",
    sqlite3.SQLITE_FULL: "make room on its file system",
    sqlite3.SQLITE_IOERR: "see what its file system lacks",
    sqlite3.SQLITE_READONLY: "let the helper write it",
    sqlite3.SQLITE_CANTOPEN: "let the helper write it, and files beside it",
}


class SimulationError(Exception):
    """A STATE file or an initiator name that cannot be used; the text says why and what to do."""


class StateFile:
    """A STATE file, for one thread at a time.

    Closing it releases all locks of the process on the file, so threads must share one object. It
    is closed at first: the process may still fork, which an open SQLite file does not survive.

    Args:
        path: The file; it is created if it is missing or empty.

    Raises:
        SimulationError: The file cannot be used, or is no STATE file of this version.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._fd: int | None = None
        self._checked: int | None = None  # SQLite's number for what was checked
        self._written = 0  # when SQLite wrote it, in nanoseconds
        with self._explained():
            try:
                self._create()
            finally:
                self.close()
        with self.transaction():
            pass
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Keep every other process out until the changes made inside are safe, or none was made.

        Raises:
            SimulationError: The file cannot be locked, read or written, or is damaged or missing.
        """
        with self._explained():
            try:
                connection, fd = self._begin()
                changes = connection.total_changes
                yield connection
                connection.execute("COMMIT")
                if connection.total_changes != changes:
                    os.fdatasync(fd)
                    self._written = os.fstat(fd).st_mtime_ns
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Close the file, and undo what was not committed; the next transaction opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._fd is not None:  # last: closing it releases the locks that SQLite has on the file
            os.close(self._fd)
            self._fd = None

    def _begin(self) -> tuple[sqlite3.Connection, int]:
        while True:
            connection, fd = self._connection, self._fd
            if connection is None or fd is None:
                connection, fd = self._open()
            connection.execute("BEGIN IMMEDIATE")
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            opened = os.fstat(fd)
            if os.path.samestat(opened, self._status()):
                if version != self._checked:  # SQLite reads all of it afresh
                    self._check(connection, fd)
                    self._checked, self._written = version, opened.st_mtime_ns
                    return connection, fd
                if opened.st_mtime_ns == self._written:
                    return connection, fd
            self.close()  # another file; or one written without SQLite, which does not know of it

    def _open(self) -> tuple[sqlite3.Connection, int]:
        self._status()
        self._fd = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise SimulationError(f"{self._path}: not a regular file; {_NAME_ANOTHER}")
        self._connection = connection = sqlite3.connect(
            f"{Path(self._path).absolute().as_uri()}?mode=rw",  # does not create it
            uri=True,
            timeout=LOCK_TIMEOUT,
            isolation_level=None,
            check_same_thread=False,
        )
        self._checked = None
        connection.text_factory = lambda text: text.decode(errors="replace")
        connection.create_function("row_checksum", -1, _row_checksum, deterministic=True)
        self._check_owner(connection, self._fd)
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        return connection, self._fd

    def _create(self) -> None:
        if not os.path.exists(self._path):
            os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))
        connection, fd = self._open()
        connection.execute("BEGIN IMMEDIATE")
        if _is_empty(fd):
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")

    def _status(self) -> os.stat_result:
        try:
            return os.stat(self._path)
        except FileNotFoundError:
            raise SimulationError(
                f"{self._path}: it was deleted; put it back, or restart the helper, which makes"
                " a new one"
            ) from None

    def _check_owner(self, connection: sqlite3.Connection, fd: int) -> None:
        """Refuse a file that this version did not make, before anything in it is changed."""
        if _is_empty(fd):
            return
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID:
            raise SimulationError(
                f"{self._path}: an SQLite file of another program; name a new file"
            )
        if version != SCHEMA_VERSION:
            raise SimulationError(
                f"{self._path}: made by another version of qemu-pr (format {version}, this one"
                f" reads {SCHEMA_VERSION}); name a new file"
            )

    def _check(self, connection: sqlite3.Connection, fd: int) -> None:
        """Look at all of the file, which brings all of it into memory."""
        if _is_empty(fd):
            raise SimulationError(
                f"{self._path}: it was emptied; restart the helper, which makes a new one of it"
            )
        for what, query, undamaged in _CHECKS:
            try:
                found = connection.execute(query).fetchall()
            except (sqlite3.Error, ValueError) as error:
                if _code(error) in _ADVICE:
                    raise
                found = [(str(error),)]
            if found != undamaged:
                details = _one_line(" ".join(str(value) for row in found[:1] for value in row))
                raise SimulationError(
                    f"{self._path}: {what} got damaged ({details:.60}); stop the helpers that use"
                    " it, and name a new file"
                )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SimulationError(f"{self._path}: {error.strerror}") from error
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the second in what SQLite quotes
            advice = _ADVICE.get(_code(error), _NAME_ANOTHER)
            raise SimulationError(f"{self._path}: {_one_line(str(error))}; {advice}") from error


def _code(error: Exception) -> int:
    """Give SQLite's primary result code."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _row_checksum(*values: object) -> int:
    return zlib.crc32(repr(values).encode())


def _is_empty(fd: int) -> bool:
    return os.fstat(fd).st_size == 0
