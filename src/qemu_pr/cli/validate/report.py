"""What is known of a disk when its examination has ended: what every output is made from."""

from dataclasses import dataclass, field
from datetime import datetime

from qemu_pr.cli.validate.opening import Opened
from qemu_pr.logical_unit import Nexus
from qemu_pr.scsi.transport_ids import (
    FibreChannelTransportID,
    ISCSITransportID,
    SASTransportID,
)
from qemu_pr.validate.check import Outcome, Result
from qemu_pr.validate.examination import Examination
from qemu_pr.validate.keys import Keys
from qemu_pr.validate.medium import Medium
from qemu_pr.validate.profiles import Verdict, chosen
from qemu_pr.validate.steps import Who

_TRANSPORTS = {
    FibreChannelTransportID.protocol_identifier: "Fibre Channel",
    ISCSITransportID.protocol_identifier: "iSCSI",
    SASTransportID.protocol_identifier: "SAS",
}


@dataclass
class Report:
    """A disk's certificate.

    Attributes:
        opened: The disk, and the ways to it.
        profile: What the option said.
        began: When.
        keys: The keys of the run.
        results: What came of each check.
        medium: How each way read and wrote, or why it did not.
        ports: By which ports the disk knows the nexuses.
    """

    opened: Opened
    profile: str
    began: datetime
    keys: Keys
    results: list[Result] = field(default_factory=list)
    medium: dict[Who, str] = field(default_factory=dict)
    ports: dict[Who, frozenset[Nexus]] = field(default_factory=dict)

    def learn(self, examination: Examination) -> None:
        """Take over what the examination found out."""
        self.ports = dict(examination.ports.known)
        self.medium = {
            who: one.name if isinstance(one, Medium) else one
            for who, one in examination.medium.items()
        }

    @property
    def deviating(self) -> list[Result]:
        """The checks in which the disk deviates."""
        return [result for result in self.results if result.outcome is Outcome.DEVIATES]

    @property
    def verdicts(self) -> list[Verdict]:
        """A verdict for each profile."""
        by_name = {result.check.name: result for result in self.results}
        return [profile.verdict(by_name) for profile in chosen(self.profile)]

    @property
    def transport(self) -> str:
        """What the disk is reached by, as far as its TransportIDs tell."""
        kinds = {
            _TRANSPORTS.get(port.initiator.protocol_identifier, "another transport")
            for ports in self.ports.values()
            for port in ports
        }
        return ", ".join(sorted(kinds)) or "unknown"
