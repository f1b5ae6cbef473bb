"""What the bridge switched off because it had heard nothing of safety for too long."""

from typing import Final

import msgspec

from kaiser.actuator.acting import Acting
from kaiser.actuator.book import Key
from kaiser.actuator.commands import stop_for_whatever_was_approved
from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import LeaseLost
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import ACTUATORS
from kaiser.eventlog import ConsumerSpec, Delivery, Retry, Unprocessable, now_us

LEASES: Final = ConsumerSpec(
    stream=ACTUATORS.name, durable="actuator-leases", subjects=("actuator.*.*.*.lease_lost",), start="new"
)

_decode = msgspec.json.Decoder(LeaseLost).decode


class Leases:
    """Lets what the bridge switched off be desired no more, so that nothing comes back without a new decision."""

    def __init__(self, acting: Acting) -> None:
        self._acting = acting

    async def handle(self, deliveries: list[Delivery]) -> None:
        """Take the bridge's word, and return when what follows is stored.

        Raises:
            LogFull: The log takes no more.
            Retry: Others decide about the actuator all the time.
            Unprocessable: A delivery is not what its type says.
        """
        for delivery in deliveries:
            try:
                lost = _decode(delivery.data)
            except msgspec.MsgspecError as error:
                raise Unprocessable(Code.INVALID_PAYLOAD_FORMAT, str(error)) from error
            await self._stop(lost)

    async def _stop(self, lost: LeaseLost) -> None:
        key = Key(lost.esp_id, lost.gpio)
        wanted = self._acting.book.state(key).wanted
        if wanted is not None and wanted.at > lost.at:
            return  # switched on again since, by a decision of its own; the bridge may have written this late
        words = "safety was silent for too long, so the bridge switched it off"
        around = self._acting.surroundings.around(key)
        stop = stop_for_whatever_was_approved(around, now_us(), Code.SAFETY_UNAVAILABLE, words)
        try:
            await self._acting.put(key, stop)
        except Refusal as refusal:
            raise Retry(str(refusal)) from refusal
