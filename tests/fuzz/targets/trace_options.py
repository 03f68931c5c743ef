"""Values of qemu-pr-helper's -T, each ended by a zero byte; the last is what events=FILE holds."""

import io

from qemu_pr.helper import StartError, trace
from qemu_pr.helper.events import EVENTS
from targets._replaced import replaced

SIZE_MAX = 80
WORDS = [b"enable=", b"events=", b"file=", b",", b",,", b"\0", b"*", b"?", b"[!a]", b"-", b"\n#"]
WORDS += [name.encode() for name in EVENTS]


def check(data: bytes) -> None:
    *options, held = data.decode(errors="surrogateescape").split("\0")
    with replaced(trace, "open", lambda *_, **__: io.StringIO(held)):
        try:
            tracing = trace.parse(options)
        except StartError:
            return
        assert tracing.events <= EVENTS.keys()
        assert not EVENTS.keys() & set(tracing.unknown)
        assert trace.parse([*options, "-*"]).events == frozenset()
