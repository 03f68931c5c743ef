"""Plain command lines are read without argparse, and mean what they mean to argparse."""

from contextlib import redirect_stderr
from io import StringIO

from hypothesis import given
from hypothesis import strategies as st

from qemu_pr.cli import plain_options
from qemu_pr.cli.qemu_pr_helper import OPTIONS, build_parser

NAMES = [name for names in list(OPTIONS)[2:] for name in names]  # without --help and --version
VALUES = ["/run/a.sock", "0", "", "a=b", "-1", "--", "nobody", "4096", "x y"]

words = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(VALUES),
    st.builds("{}={}".format, st.sampled_from(NAMES), st.sampled_from(VALUES)),
    st.builds("{}{}".format, st.sampled_from(NAMES), st.sampled_from(VALUES)),
    st.text("-dqvkfTug=", max_size=5),
)


def by_argparse(arguments: list[str]) -> dict[str, object] | None:
    """None if argparse finds fault."""
    try:
        with redirect_stderr(StringIO()):
            options, rest = build_parser().parse_known_args(arguments)
    except SystemExit:
        return None
    return None if rest else vars(options)


@given(st.lists(words, max_size=5))
def test_what_is_read_is_what_argparse_reads(arguments):
    read = plain_options.read(OPTIONS, arguments)

    if read is not None:
        assert {"help": None, "version": None, **by_argparse(arguments)} == read


def test_what_scripts_and_units_use_is_read():
    arguments = ["-dvk", "/a.sock", "--pidfile=/a.pid", "-unobody", "-v", "-T", "*", "--trace", "x"]

    read = plain_options.read(OPTIONS, arguments)

    assert read == {"help": None, "version": None, **by_argparse(arguments)}
    assert (read["daemon"], read["verbose"], read["user"]) == (True, 2, "nobody")


def test_what_argparse_must_judge_is_left_to_it():
    for argument in ("--verb", "-h", "--version", "operand", "--socket", "-d=1", "-", "--"):
        assert plain_options.read(OPTIONS, [argument]) is None
