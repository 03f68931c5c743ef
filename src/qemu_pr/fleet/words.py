"""What a cell of the matrix says, and what a disk's reservation is called, in few words."""

from qemu_pr.fleet.matrix import Cell, Row, answers


def reservation_words(row: Row) -> str:
    """Say who holds a disk, and how."""
    if row.told is None:
        return "?"
    reservation = row.told["reservation"]
    if reservation is None:
        return "none"
    holders = row.holders or [f"key {reservation['reservation_key']}"]
    return f"{', '.join(holders)}: {reservation['type_name']}"


def standing(row: Row, cell: Cell | None) -> str:
    """Say what a host is to a disk, in one word; it is also the class of the page's cell."""
    if cell is None:
        return "-"
    if not answers(cell.disk):
        return "error"
    if cell.fenced:
        return "FENCED"
    if cell.holds:
        return "holds"
    if cell.registrations:
        return "registered"
    return "?" if row.told is None or cell.registered is None else "sees"


def cell_words(row: Row, cell: Cell | None) -> str:
    """Say the same, with the numbers of paths and the guests."""
    word = standing(row, cell)
    if cell is None:
        return word
    paths = f"{cell.paths}" if cell.registered is None else f"{cell.registered}/{cell.paths}"
    return " ".join((word, paths, *cell.guests))
