"""What decides about registrations in a multipath.conf, so that two readings can be compared."""

from qemu_pr.multipath_conf.configuration import Configuration

Keys = dict[str | None, str]


def keys(configuration: Configuration) -> Keys:
    """The reservation keys by WWID, and the default by None."""
    found: Keys = {
        entry.wwid: str(entry.setting.key) if entry.setting else ""
        for entry in configuration.entries.values()
    }
    if configuration.default:
        found[None] = str(configuration.default.key)
    return found
