"""What a path that is not there may have been meant to be."""

import os


def nearest_path(path: str) -> str:
    """Give the end of a message that names the file whose name is most like that of a missing one.

    Args:
        path: The path that is not there.

    Returns:
        ``; did you mean /dev/sdb?``, or nothing if no file beside it is near.
    """
    import difflib  # for those alone who mistype

    directory, name = os.path.split(path)
    try:
        there = os.listdir(directory or ".")
    except OSError:
        return ""
    near = difflib.get_close_matches(name, there, n=1, cutoff=0.75)
    return f"; did you mean {os.path.join(directory, near[0])}?" if near else ""
