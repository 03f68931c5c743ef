"""What simulated logical units remember, as rows of the STATE file."""

import sqlite3
from typing import Any

from qemu_pr.logical_unit import Nexus, Registration, Reservation
from qemu_pr.scsi import transport_ids
from qemu_pr.scsi.commands import ReservationType
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_keys import SenseKey


class SqliteState:
    """The memory of one simulated disk; see `qemu_pr.logical_unit.State`.

    Use it inside one transaction and then drop it.

    Args:
        connection: Of `StateFile.transaction`.
        identity: What the disk is known by; it is added if it is new.
    """

    def __init__(self, connection: sqlite3.Connection, identity: str) -> None:
        self._connection = connection
        name = identity.encode()
        row = self._one("SELECT id FROM disk WHERE identity = ?", name)
        if row is None:
            row = self._one("INSERT INTO disk (identity) VALUES (?) RETURNING id", name)
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
            "SELECT holder, holder_port, type FROM disk WHERE id = ? AND holder NOT NULL",
            self._disk,
        )
        return None if row is None else Reservation(_nexus(*row[:2]), ReservationType(row[2]))

    @reservation.setter
    def reservation(self, value: Reservation | None) -> None:
        holder = (*_name(value.holder), value.type) if value else (None, None, None)
        self._run(
            "UPDATE disk SET (holder, holder_port, type) = (?, ?, ?) WHERE id = ?",
            *holder,
            self._disk,
        )

    def registration(self, nexus: Nexus) -> Registration | None:
        """See `State.registration`."""
        row = self._one(
            "SELECT key, all_tg_pt FROM registration"
            " WHERE disk = ? AND initiator = ? AND target_port = ?",
            self._disk,
            *_name(nexus),
        )
        return None if row is None else _registration(*row)

    def registered(self, at_most: int | None = None) -> list[tuple[Nexus, Registration]]:
        """See `State.registered`."""
        rows = self._run(
            "SELECT initiator, target_port, key, all_tg_pt FROM registration"
            " WHERE disk = ? ORDER BY place LIMIT ?",
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
            "SELECT initiator, target_port FROM registration WHERE disk = ? ORDER BY place LIMIT 1",
            self._disk,
        )
        return None if row is None else _nexus(*row)

    def registered_with(self, key: int) -> list[Nexus]:
        """See `State.registered_with`."""
        rows = self._run(
            "SELECT initiator, target_port FROM registration WHERE disk = ? AND key = ?",
            self._disk,
            key.to_bytes(8, "big"),
        )
        return [_nexus(*row) for row in rows]

    def register(self, nexus: Nexus, registration: Registration) -> None:
        """See `State.register`."""
        self._run(
            "INSERT INTO registration (disk, initiator, target_port, key, all_tg_pt)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (disk, initiator, target_port) DO UPDATE"
            " SET key = excluded.key, all_tg_pt = excluded.all_tg_pt",
            self._disk,
            *_name(nexus),
            registration.key.to_bytes(8, "big"),
            registration.all_tg_pt,
        )

    def unregister(self, nexus: Nexus) -> None:
        """See `State.unregister`."""
        self._run(
            "DELETE FROM registration WHERE disk = ? AND initiator = ? AND target_port = ?",
            self._disk,
            *_name(nexus),
        )

    def with_unit_attention(self) -> list[Nexus]:
        """See `State.with_unit_attention`."""
        rows = self._run(
            "SELECT initiator, target_port FROM unit_attention WHERE disk = ?", self._disk
        )
        return [_nexus(*row) for row in rows]

    def establish_unit_attention(self, nexus: Nexus, sense: Sense) -> None:
        """See `State.establish_unit_attention`."""
        self._run(
            "INSERT INTO unit_attention (disk, initiator, target_port, asc, ascq)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            self._disk,
            *_name(nexus),
            sense.asc,
            sense.ascq,
        )

    def take_unit_attention(self, nexus: Nexus) -> Sense | None:
        """See `State.take_unit_attention`."""
        row = self._one(
            "DELETE FROM unit_attention WHERE disk = ? AND initiator = ? AND target_port = ?"
            " RETURNING asc, ascq",
            self._disk,
            *_name(nexus),
        )
        return None if row is None else Sense(SenseKey.UNIT_ATTENTION, *row)

    def _attribute(self, name: str) -> int:
        row = self._one(f"SELECT {name} FROM disk WHERE id = ?", self._disk)
        assert row is not None
        return int(row[0])

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()

    def _one(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        rows = self._run(statement, *values)
        return rows[0] if rows else None


def _name(nexus: Nexus) -> tuple[bytes, int]:
    return nexus.initiator.encode(), nexus.target_port


def _nexus(initiator: bytes, target_port: int) -> Nexus:
    return Nexus(transport_ids.decode(initiator)[0], target_port)


def _registration(key: bytes, all_tg_pt: int) -> Registration:
    return Registration(int.from_bytes(key, "big"), bool(all_tg_pt))
