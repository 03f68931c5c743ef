"""Whatever several hosts send, in whatever order: what holds of a logical unit at all times."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from qemu_pr.logical_unit.rules import ALL_REGISTRANTS, Access
from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import InServiceAction as In
from qemu_pr.scsi.commands import OutServiceAction as Out
from qemu_pr.scsi.commands import ReservationType as Type
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import Completion, Status
from shared_disk import A, B, C, Disk, Host

TARGET_PORTS = (1, 2)
ATTENTIONS = {
    sense.RESERVATIONS_PREEMPTED,
    sense.RESERVATIONS_RELEASED,
    sense.REGISTRATIONS_PREEMPTED,
    sense.POWER_ON_RESET_OR_BUS_DEVICE_RESET,
}

initiators = st.integers(1, 3)
ports = st.sampled_from(TARGET_PORTS)
keys = st.sampled_from([0, A, B, C])
new_keys = st.sampled_from([A, B, C])
types = st.one_of(st.sampled_from(Type), st.sampled_from(Type), st.integers(0, 15))
scopes = st.sampled_from([0] * 9 + [1])
# The key a host sends: mostly its own, which None stands for.
sent_keys = st.one_of(st.none(), st.none(), st.none(), keys)


class SharedDisk(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.disk = Disk(TARGET_PORTS)
        self.keys = {}
        self.generation = 0
        # Nexuses that have no unit attention pending: nobody else did anything since their last.
        self.quiet = {
            self.disk.host(number, port).nexus for number in (1, 2, 3) for port in TARGET_PORTS
        }

    def own(self, host: Host, sent: int | None = None) -> int:
        return self.keys.get(host.nexus, 0) if sent is None else sent

    def carried_out(self, host: Host, send) -> bool:
        """Send a command; what does not end with GOOD must leave everything as it was."""
        before = self.disk.everything

        completion: Completion = send()

        if completion.status == Status.GOOD:
            self.quiet &= {host.nexus}
            return True
        assert self.disk.everything == before
        if completion.status == Status.CHECK_CONDITION:
            found = Sense.decode(completion.sense)
            if found in ATTENTIONS:
                assert host.nexus not in self.quiet
                self.quiet.add(host.nexus)
            else:
                assert found.key == SenseKey.ILLEGAL_REQUEST
        else:
            assert completion.status == Status.RESERVATION_CONFLICT
        return False

    @rule(
        initiator=initiators,
        port=ports,
        action=st.sampled_from([Out.REGISTER, Out.REGISTER_AND_IGNORE_EXISTING_KEY]),
        sent=sent_keys,
        new=keys,
        aptpl=st.booleans(),
    )
    def register(self, initiator, port, action, sent, new, aptpl) -> None:
        host = self.disk.host(initiator, port)
        registered, key = self.own(host), self.own(host, sent)

        if not self.carried_out(host, lambda: host.out(action, key, new, aptpl=aptpl)):
            return

        assert action != Out.REGISTER or key == registered
        self.keys[host.nexus] = new
        if new == 0:
            del self.keys[host.nexus]
        else:
            assert self.disk.capabilities.ptpl_a == aptpl

    @rule(initiator=initiators, new=keys)
    def register_through_all_target_ports(self, initiator, new) -> None:
        host, *others = [self.disk.host(initiator, port) for port in TARGET_PORTS]
        if any(self.own(other) != self.own(host) for other in others):
            return  # what this does to a registration with another key SPC-4 does not tell
        key = self.own(host)

        if self.carried_out(host, lambda: host.register(key, new, all_tg_pt=True)):
            for one in (host, *others):
                self.keys.pop(one.nexus, None)
                if new:
                    self.keys[one.nexus] = new

    @rule(initiator=initiators, port=ports, named=st.lists(initiators, max_size=3), new=keys)
    def register_other_initiators(self, initiator, port, named, new) -> None:
        host = self.disk.host(initiator, port)
        others = [self.disk.host(number, port) for number in named]
        key = self.own(host)
        names = tuple(other.port for other in others)

        if self.carried_out(host, lambda: host.register(key, new, initiator_ports=names)) and new:
            for one in (host, *others):
                assert one.nexus not in self.keys
            self.keys |= {one.nexus: new for one in (host, *others)}

    @rule(initiator=initiators, port=ports, sent=sent_keys, type_=types, scope=scopes)
    def reserve(self, initiator, port, sent, type_, scope) -> None:
        host = self.disk.host(initiator, port)
        key = self.own(host, sent)

        if self.carried_out(host, lambda: host.reserve(key, type_, scope)):
            assert self.keys[host.nexus] == key
            assert self.disk.reservation.type == type_
            assert host.nexus in self.disk.holders

    @rule(initiator=initiators, port=ports, sent=sent_keys, right_type=st.booleans(), type_=types)
    def release(self, initiator, port, sent, right_type, type_) -> None:
        host = self.disk.host(initiator, port)
        key = self.own(host, sent)
        reservation, held = self.disk.reservation, host.nexus in self.disk.holders
        if right_type and reservation:
            type_ = reservation.type

        if self.carried_out(host, lambda: host.release(key, type_)):
            assert self.disk.reservation == (None if held else reservation)
            assert not held or type_ == reservation.type

    @rule(initiator=initiators, port=ports, sent=sent_keys)
    def clear(self, initiator, port, sent) -> None:
        host = self.disk.host(initiator, port)
        key = self.own(host, sent)

        if self.carried_out(host, lambda: host.clear(key)):
            assert self.keys[host.nexus] == key
            assert self.disk.reservation is None
            self.keys = {}

    @rule(
        initiator=initiators,
        port=ports,
        action=st.sampled_from([Out.PREEMPT, Out.PREEMPT_AND_ABORT]),
        sent=sent_keys,
        victim=keys,
        type_=types,
        scope=scopes,
    )
    def preempt(self, initiator, port, action, sent, victim, type_, scope) -> None:
        host = self.disk.host(initiator, port)
        key = self.own(host, sent)
        reservation = self.disk.reservation

        if not self.carried_out(host, lambda: host.out(action, key, victim, type_, scope)):
            return

        assert self.keys[host.nexus] == key
        shared = reservation is not None and reservation.type in ALL_REGISTRANTS
        takes_over = reservation is not None and not shared and reservation.key == victim
        lost = {nexus for nexus, held in self.keys.items() if victim in (0, held)}
        if shared or takes_over:
            lost.discard(host.nexus)
        self.keys = {nexus: held for nexus, held in self.keys.items() if nexus not in lost}
        if takes_over or victim == 0:
            assert self.disk.reservation.type == type_
            assert host.nexus in self.disk.holders
        elif not shared:
            assert self.disk.reservation == reservation

    @rule(
        initiator=initiators,
        port=ports,
        sent=sent_keys,
        new=keys,
        heir=initiators,
        heir_port=st.sampled_from([*TARGET_PORTS, 3]),
        unreg=st.booleans(),
    )
    def move(self, initiator, port, sent, new, heir, heir_port, unreg) -> None:
        host, to = self.disk.host(initiator, port), self.disk.host(heir, heir_port)
        key = self.own(host, sent)
        reservation, holders = self.disk.reservation, self.disk.holders

        if self.carried_out(host, lambda: host.move(key, new, to, unreg=unreg)):
            assert holders == {host.nexus}
            assert self.disk.holders == {to.nexus}
            assert self.disk.reservation.type == reservation.type
            self.keys[to.nexus] = new
            if unreg:
                del self.keys[host.nexus]

    @rule(initiator=initiators, port=ports, action=st.integers(0, 4))
    def read(self, initiator, port, action) -> None:
        host = self.disk.host(initiator, port)
        before, quiet = self.disk.everything, set(self.quiet)

        if self.carried_out(host, lambda: host.read(action)):
            assert action in set(In)
            assert self.disk.everything == before
            self.quiet = quiet

    @rule()
    def lose_power(self) -> None:
        persists = self.disk.capabilities.ptpl_a
        reservation = self.disk.reservation

        self.disk.unit.power_cycle()

        self.quiet.clear()
        self.generation = 0
        self.keys = self.keys if persists else {}
        assert self.disk.reservation == (reservation if persists else None)

    @invariant()
    def the_keys_are_those_that_were_registered(self) -> None:
        assert self.disk.registrations == self.keys
        assert sorted(self.disk.keys) == sorted(self.keys.values())

    @invariant()
    def holders_are_registered_and_agree_with_the_reservation(self) -> None:
        reservation, holders = self.disk.reservation, self.disk.holders
        if reservation is None:
            assert holders == set()
        elif reservation.type in ALL_REGISTRANTS:
            assert holders == set(self.keys) != set()
            assert reservation.key == 0
        else:
            [holder] = holders
            assert self.keys[holder] == reservation.key
        for nexus in holders:
            assert self.disk.full_status[nexus].type == reservation.type

    @invariant()
    def a_holder_may_read_and_write(self) -> None:
        for nexus in self.disk.holders:
            assert self.disk.unit.access(nexus) == Access(read=True, write=True)

    @invariant()
    def prgeneration_never_decreases(self) -> None:
        assert self.disk.generation >= self.generation
        self.generation = self.disk.generation


TestSharedDisk = SharedDisk.TestCase
TestSharedDisk.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
