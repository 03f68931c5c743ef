"""Hypothesis strategies for what the command line tests are about."""

import os

from hypothesis import strategies as st

from qemu_pr.command_line.model import DEVICES, ReservedDisks

NASTY = [
    "/dev/a b",
    "/dev/a,b",
    "/dev/,,a,,,b,",
    "/dev/a=b",
    "/dev/it's",
    '/dev/"q"',
    "/dev/-dash",
    "/dev/back\\slash\\",
    "/dev/new\nline",
    "/dev/$HOME`id`",
    "/dev/tab\there",
    "/dev/nbd:localhost:10809",
    "/dev/json:{}",
    "/dev/file.filename=x,id=y",
    "/dev/ends in \\\n",
    "/dev/dïsk-盤-💾",
    "/dev/#comment",
    "/dev/{a,b}*?[c]~!;&|<>()",
    "/dev/%s%n",
]


def normal(path: str) -> str:
    plain = os.path.normpath(path)
    return plain[1:] if plain.startswith("//") else plain


def _absolute(tail: bytes) -> str:
    return os.fsdecode(b"/" + tail)


any_path = st.one_of(
    st.sampled_from(NASTY),
    st.binary(min_size=1, max_size=30).filter(lambda tail: 0 not in tail).map(_absolute),
    st.text(" ,=.'\"\\\n$`#-{}:/ab", min_size=1, max_size=12),
)
# What JSON can carry and QEMU's JSON takes: no surrogates (Cs), no noncharacters (in Cn).
text_path = st.one_of(
    st.sampled_from(NASTY),
    st.text(
        st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="\0"),
        min_size=1,
        max_size=20,
    ).map(lambda tail: "/" + tail),
)
identifiers = st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,40}", fullmatch=True).filter(
    lambda name: not name.startswith("hd")
)


def _is_socket_path(path: str) -> bool:
    return path.startswith("/") and len(os.fsencode(path)) <= 107


@st.composite
def reserved_disks(draw: st.DrawFn, paths: st.SearchStrategy[str] = any_path) -> ReservedDisks:
    device = draw(st.sampled_from(sorted(DEVICES)))
    migrations = [None, True, False] if DEVICES[device].migrates_pr else [None]
    return ReservedDisks(
        disks=tuple(draw(st.lists(paths, min_size=1, max_size=4, unique_by=normal))),
        socket=draw(paths.filter(_is_socket_path)),
        helper_id=draw(identifiers),
        device=device,
        migrate_pr=draw(st.sampled_from(migrations)),
    )
