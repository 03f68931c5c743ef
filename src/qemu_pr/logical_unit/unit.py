"""What each PERSISTENT RESERVE service action does to a logical unit (SPC-4, 5.12, 6.15, 6.16)."""

from collections.abc import Iterable, Sequence

from qemu_pr.logical_unit import allocation, rules
from qemu_pr.logical_unit.rules import Standing
from qemu_pr.logical_unit.state import Nexus, Registration, Reservation, State
from qemu_pr.scsi import commands, parameter_data, sense
from qemu_pr.scsi.commands import (
    InServiceAction,
    OutServiceAction,
    PersistentReserveIn,
    PersistentReserveOut,
    ReservationType,
    Scope,
)
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.parameter_lists import (
    ParameterList,
    ParameterListLengthError,
    RegisterAndMoveParameterList,
)
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT, Completion

ALLOW_COMMANDS = 1
"""What a unit says of commands not in the standard's tables (SPC-4, table 208)."""

_INVALID_FIELD_IN_CDB = Completion.check_condition(sense.INVALID_FIELD_IN_CDB)
_INVALID_FIELD_IN_PARAMETER_LIST = Completion.check_condition(sense.INVALID_FIELD_IN_PARAMETER_LIST)


class LogicalUnit:
    """A logical unit as far as persistent reservations go.

    Args:
        state: What the unit remembers.
        target_ports: RELATIVE TARGET PORT IDENTIFIERs of the ports that the unit is reached by.
    """

    def __init__(self, state: State, target_ports: Sequence[int] = (1,)) -> None:
        self._state = state
        self._target_ports = tuple(target_ports)

    def execute(self, nexus: Nexus, cdb: bytes, data_out: bytes = b"") -> Completion:
        """Carry out a PERSISTENT RESERVE IN or OUT command.

        Args:
            nexus: The I_T nexus that the command came through.
            cdb: The command, 10 bytes or more.
            data_out: The parameter list of PERSISTENT RESERVE OUT.

        Returns:
            How the command ends; data is cut at the allocation length.
        """
        attention = self._state.take_unit_attention(nexus)
        if attention is not None:
            return Completion.check_condition(attention)
        try:
            command = commands.decode(cdb)
        except MalformedError:
            return Completion.check_condition(sense.INVALID_OPERATION_CODE)
        if isinstance(command, PersistentReserveIn):
            return self._reserve_in(command)
        return self._reserve_out(nexus, command, data_out)

    def standing(self, nexus: Nexus) -> Standing:
        """Tell what a nexus is to the persistent reservation, if there is one."""
        reservation = self._state.reservation
        registered = self._state.registration(nexus) is not None
        if reservation is not None:
            shared = registered and reservation.type in rules.ALL_REGISTRANTS
            if shared or reservation.holder == nexus:
                return Standing.HOLDER
        return Standing.REGISTERED if registered else Standing.UNREGISTERED

    def access(self, nexus: Nexus) -> rules.Access:
        """Tell what a nexus may do with the medium now (SPC-4, table 66)."""
        reservation = self._state.reservation
        if reservation is None:
            return rules.Access(read=True, write=True)
        return rules.ACCESS[reservation.type][self.standing(nexus)]

    def medium(self, nexus: Nexus, *, write: bool) -> Completion:
        """Read from the medium or write to it, as far as the reservation has a say (SPC-4, 5.12.1).

        Args:
            nexus: The I_T nexus that the command came through.
            write: Whether it writes; else it reads.

        Returns:
            How such a command ends; it has no data.
        """
        attention = self._state.take_unit_attention(nexus)
        if attention is not None:
            return Completion.check_condition(attention)
        access = self.access(nexus)
        return GOOD if (access.write if write else access.read) else RESERVATION_CONFLICT

    def reset(self, *also: Nexus) -> None:
        """Be reset by a task management function (SAM-5, 6.3.3 and 7.7).

        Registrations and the reservation stay, whether APTPL was activated or not (SPC-4, 5.12.1);
        every nexus that is known learns of it, instead of what it was to be told.

        Args:
            also: Nexuses that may be neither registered nor to be told anything.
        """
        state = self._state
        registered = (nexus for nexus, _ in state.registered())
        for nexus in dict.fromkeys((*registered, *state.with_unit_attention(), *also)):
            state.take_unit_attention(nexus)
            state.establish_unit_attention(nexus, sense.BUS_DEVICE_RESET_FUNCTION_OCCURRED)

    def power_cycle(self) -> None:
        """Lose power and get it back (SPC-4, 5.12.5).

        Registrations and reservation persist if APTPL was activated. PRGENERATION begins at zero
        again, and every nexus that was registered or was to be told something learns of the
        power on instead.
        """
        state = self._state
        registered = [nexus for nexus, _ in state.registered()]
        concerned = dict.fromkeys((*registered, *state.with_unit_attention()))
        if not state.aptpl:
            state.reservation = None
            for nexus in registered:
                state.unregister(nexus)
        state.generation = 0
        for nexus in concerned:
            state.take_unit_attention(nexus)
            state.establish_unit_attention(nexus, sense.POWER_ON_RESET_OR_BUS_DEVICE_RESET)

    # PERSISTENT RESERVE IN

    def _reserve_in(self, command: PersistentReserveIn) -> Completion:
        length = command.allocation_length
        match command.service_action:
            case InServiceAction.READ_KEYS:
                keys = self._read_keys(at_most=allocation.fitting_keys(length))
                data = allocation.cut_keys(keys, self._state.count_registered(), length)
            case InServiceAction.READ_RESERVATION:
                data = allocation.cut_reservation(self._read_reservation(), length)
            case InServiceAction.REPORT_CAPABILITIES:
                data = self._report_capabilities().encode()[:length]
            case InServiceAction.READ_FULL_STATUS:
                status = self._read_full_status(at_most=allocation.fitting_descriptors(length))
                data = allocation.cut_full_status(status, length)
            case _:
                return _INVALID_FIELD_IN_CDB
        return Completion(GOOD.status, data=data)

    def _read_keys(self, at_most: int) -> parameter_data.ReadKeys:
        keys = tuple(registration.key for _, registration in self._state.registered(at_most))
        return parameter_data.ReadKeys(self._state.generation, keys)

    def _read_reservation(self) -> parameter_data.ReadReservation:
        state = self._state
        if state.reservation is None:
            return parameter_data.ReadReservation(state.generation)
        registration = state.registration(state.reservation.holder)
        shared = state.reservation.type in rules.ALL_REGISTRANTS
        key = 0 if shared or registration is None else registration.key
        return parameter_data.ReadReservation(
            state.generation, parameter_data.Reservation(key, state.reservation.type)
        )

    def _report_capabilities(self) -> parameter_data.ReportCapabilities:
        return parameter_data.ReportCapabilities(
            types=frozenset(ReservationType),
            crh=True,
            sip_c=True,
            atp_c=True,
            ptpl_c=True,
            ptpl_a=self._state.aptpl,
            allow_commands=ALLOW_COMMANDS,
        )

    def _read_full_status(self, at_most: int) -> parameter_data.ReadFullStatus:
        reservation = self._state.reservation
        shared = reservation is not None and reservation.type in rules.ALL_REGISTRANTS
        descriptors = []
        for nexus, registration in self._state.registered(at_most):
            holder = shared or (reservation is not None and nexus == reservation.holder)
            descriptors.append(
                parameter_data.FullStatus(
                    key=registration.key,
                    transport_id=nexus.initiator,
                    relative_target_port_identifier=nexus.target_port,
                    all_tg_pt=registration.all_tg_pt,
                    holder=holder,
                    type=reservation.type if holder and reservation else 0,
                )
            )
        return parameter_data.ReadFullStatus(self._state.generation, tuple(descriptors))

    # PERSISTENT RESERVE OUT

    def _reserve_out(
        self, nexus: Nexus, command: PersistentReserveOut, data_out: bytes
    ) -> Completion:
        if not self._is_admitted(nexus, command.service_action):
            return RESERVATION_CONFLICT
        try:
            if command.service_action == OutServiceAction.REGISTER_AND_MOVE:
                moved = RegisterAndMoveParameterList.decode(data_out)
                return self._register_and_move(nexus, moved)
            parameters = ParameterList.decode(data_out)
        except ParameterListLengthError:
            return Completion.check_condition(sense.PARAMETER_LIST_LENGTH_ERROR)
        except MalformedError:
            return _INVALID_FIELD_IN_PARAMETER_LIST
        if (
            parameters.initiator_ports is not None
            and command.service_action != OutServiceAction.REGISTER
        ):
            return _INVALID_FIELD_IN_PARAMETER_LIST
        match command.service_action:
            case OutServiceAction.REGISTER | OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY:
                return self._register(nexus, command, parameters)
            case OutServiceAction.RESERVE:
                return self._reserve(nexus, command, parameters)
            case OutServiceAction.RELEASE:
                return self._release(nexus, command, parameters)
            case OutServiceAction.CLEAR:
                return self._clear(nexus, parameters)
            case OutServiceAction.PREEMPT | OutServiceAction.PREEMPT_AND_ABORT:
                # Commands end before the next begins here, so there is none to abort.
                return self._preempt(nexus, command, parameters)
            case _:
                return _INVALID_FIELD_IN_CDB

    def _is_admitted(self, nexus: Nexus, service_action: int) -> bool:
        reservation = self._state.reservation
        if reservation is None:
            return True
        if nexus == reservation.holder:
            standing = Standing.HOLDER
        elif self._state.registration(nexus) is not None:
            standing = Standing.REGISTERED
        else:
            standing = Standing.UNREGISTERED
        return rules.is_admitted(service_action, reservation.type, standing)

    def _register(
        self, nexus: Nexus, command: PersistentReserveOut, parameters: ParameterList
    ) -> Completion:
        state = self._state
        registration = state.registration(nexus)
        registered_key = registration.key if registration else 0
        if (
            command.service_action == OutServiceAction.REGISTER
            and parameters.reservation_key != registered_key
        ):
            return RESERVATION_CONFLICT
        if registration is None and parameters.service_action_reservation_key == 0:
            return GOOD
        ports = self._target_ports if parameters.all_tg_pt else (nexus.target_port,)
        others = [Nexus(i, port) for i in parameters.initiator_ports or () for port in ports]
        if parameters.initiator_ports is not None and (
            registration or any(state.registration(other) for other in others)
        ):
            return _INVALID_FIELD_IN_PARAMETER_LIST
        own = [nexus, *self._same_initiator(nexus, command, parameters)]
        if parameters.service_action_reservation_key == 0:
            for one in own:
                if state.registration(one):
                    self._unregister(one)
        else:
            registered = Registration(
                parameters.service_action_reservation_key, parameters.all_tg_pt
            )
            for one in own + others:
                state.register(one, registered)
            self._count()
        if registration and registration.all_tg_pt and not parameters.all_tg_pt:
            self._part_from_other_ports(nexus)
        state.aptpl = parameters.aptpl
        return GOOD

    def _same_initiator(
        self, nexus: Nexus, command: PersistentReserveOut, parameters: ParameterList
    ) -> list[Nexus]:
        """Give the other nexuses that ALL_TG_PT extends a REGISTER to.

        REGISTER leaves a nexus alone that has another key than the one it names.
        """
        if not parameters.all_tg_pt:
            return []
        siblings = self._through_other_ports(nexus)
        if command.service_action == OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY:
            return siblings
        known = {one: self._state.registration(one) for one in siblings}
        return [
            one
            for one, registration in known.items()
            if registration is None or registration.key == parameters.reservation_key
        ]

    def _part_from_other_ports(self, nexus: Nexus) -> None:
        """A registration for all target ports was changed on one, so the others are no such."""
        for one in self._through_other_ports(nexus):
            registration = self._state.registration(one)
            if registration:
                self._state.register(one, Registration(registration.key))

    def _through_other_ports(self, nexus: Nexus) -> list[Nexus]:
        ports = (port for port in self._target_ports if port != nexus.target_port)
        return [Nexus(nexus.initiator, port) for port in ports]

    def _unregister(self, nexus: Nexus) -> None:
        """Unregister at the nexus's own wish (SPC-4, 5.12.11.2.3)."""
        state = self._state
        state.unregister(nexus)
        reservation = state.reservation
        if reservation is None or reservation.holder != nexus:
            return
        state.reservation = None
        if reservation.type in rules.ALL_REGISTRANTS:
            heir = state.first_registered()
            if heir is not None:
                state.reservation = Reservation(heir, reservation.type)
        elif reservation.type in rules.UNIT_ATTENTION_ON_UNREGISTER:
            self._tell(self._registered_but(nexus), sense.RESERVATIONS_RELEASED)

    def _reserve(
        self, nexus: Nexus, command: PersistentReserveOut, parameters: ParameterList
    ) -> Completion:
        state = self._state
        refusal = self._refusal(nexus, command, parameters)
        if refusal is not None:
            return refusal
        type_ = ReservationType(command.type)
        reservation = state.reservation
        if reservation is None:
            state.reservation = Reservation(nexus, type_)
            return GOOD
        # The holder may repeat its RESERVE, but not change the type (SPC-4, 5.12.9).
        if self.standing(nexus) is Standing.HOLDER and reservation.type == type_:
            return GOOD
        return RESERVATION_CONFLICT

    def _release(
        self, nexus: Nexus, command: PersistentReserveOut, parameters: ParameterList
    ) -> Completion:
        state = self._state
        reservation = state.reservation
        if state.registration(nexus) is None:
            return RESERVATION_CONFLICT
        if reservation is None or self.standing(nexus) is not Standing.HOLDER:
            return GOOD  # nothing of this nexus's to release (SPC-4, 5.12.11.2.2)
        if not self._knows_key(nexus, parameters.reservation_key):
            return RESERVATION_CONFLICT
        if command.type != reservation.type or command.scope != Scope.LU_SCOPE:
            return RESERVATION_CONFLICT
        state.reservation = None
        if reservation.type in rules.UNIT_ATTENTION_ON_RELEASE:
            self._tell(self._registered_but(nexus), sense.RESERVATIONS_RELEASED)
        return GOOD

    def _clear(self, nexus: Nexus, parameters: ParameterList) -> Completion:
        state = self._state
        if not self._knows_key(nexus, parameters.reservation_key):
            return RESERVATION_CONFLICT
        others = self._registered_but(nexus)
        state.reservation = None
        for one in (nexus, *others):
            state.unregister(one)
        self._tell(others, sense.RESERVATIONS_PREEMPTED)
        state.aptpl = False
        self._count()
        return GOOD

    def _preempt(
        self, nexus: Nexus, command: PersistentReserveOut, parameters: ParameterList
    ) -> Completion:
        state = self._state
        refusal = self._refusal(nexus, command, parameters)
        if refusal is not None:
            return refusal
        type_ = ReservationType(command.type)
        reservation = state.reservation
        shared = reservation is not None and reservation.type in rules.ALL_REGISTRANTS
        key = parameters.service_action_reservation_key
        if key == 0 and not shared:
            return _INVALID_FIELD_IN_PARAMETER_LIST
        victims = self._registered_but(nexus) if key == 0 else list(state.registered_with(key))
        if not victims and key != 0:
            return RESERVATION_CONFLICT
        takes_over = reservation is not None and (key == 0 or reservation.holder in victims)
        # Whoever preempts its own key keeps its registration if it takes the reservation over,
        # or if it shares it (SPC-4, 5.12.11.2.6).
        keeps = takes_over or shared
        lost = [victim for victim in victims if victim != nexus]
        for one in lost if keeps else victims:
            state.unregister(one)
        self._tell(lost, sense.REGISTRATIONS_PREEMPTED)
        if takes_over and reservation is not None:
            state.reservation = Reservation(nexus, type_)
            if key != 0 and reservation.type != type_:
                self._tell(self._registered_but(nexus), sense.RESERVATIONS_RELEASED)
        self._count()
        return GOOD

    def _register_and_move(
        self, nexus: Nexus, parameters: RegisterAndMoveParameterList
    ) -> Completion:
        state = self._state
        if not self._knows_key(nexus, parameters.reservation_key):
            return RESERVATION_CONFLICT
        if (
            parameters.service_action_reservation_key == 0
            or parameters.relative_target_port_identifier not in self._target_ports
            or parameters.transport_id == nexus.initiator
        ):
            return _INVALID_FIELD_IN_PARAMETER_LIST
        reservation = state.reservation
        if reservation is None:
            return _INVALID_FIELD_IN_CDB
        if reservation.holder != nexus or reservation.type in rules.ALL_REGISTRANTS:
            return RESERVATION_CONFLICT
        heir = Nexus(parameters.transport_id, parameters.relative_target_port_identifier)
        state.register(heir, Registration(parameters.service_action_reservation_key))
        state.reservation = Reservation(heir, reservation.type)
        if parameters.unreg:
            state.unregister(nexus)
        state.aptpl = parameters.aptpl
        self._count()
        return GOOD

    # What the service actions share

    def _refusal(
        self, nexus: Nexus, command: PersistentReserveOut, parameters: ParameterList
    ) -> Completion | None:
        """Tell why RESERVE or PREEMPT is refused whatever reservation there is, None if it is not.

        The order is that of the kernel's target.
        """
        if command.type not in set(ReservationType):
            return _INVALID_FIELD_IN_CDB
        if not self._knows_key(nexus, parameters.reservation_key):
            return RESERVATION_CONFLICT
        if command.scope != Scope.LU_SCOPE:
            return _INVALID_FIELD_IN_PARAMETER_LIST
        return None

    def _knows_key(self, nexus: Nexus, key: int) -> bool:
        registration = self._state.registration(nexus)
        return registration is not None and registration.key == key

    def _registered_but(self, nexus: Nexus) -> list[Nexus]:
        return [other for other, _ in self._state.registered() if other != nexus]

    def _tell(self, nexuses: Iterable[Nexus], attention: Sense) -> None:
        for nexus in nexuses:
            self._state.establish_unit_attention(nexus, attention)

    def _count(self) -> None:
        self._state.generation = (self._state.generation + 1) % (1 << 32)
