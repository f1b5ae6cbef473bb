"""Whatever happens in whatever order: what is latched and not off is told, and nobody else is."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kaiser.bridge.orders import Broadcast, DeviceStop, Off
from kaiser.bridge.stopping import PAUSES_S, Latch, Said, Stopping
from kaiser.contracts.events.safeguards import Scope

DEVICES = ("ESP_0A1B2C", "ESP_0A1B2D")
PINS = (25, 26)
PLACES = [(esp_id, gpio) for esp_id in DEVICES for gpio in PINS]
SCOPES = (
    Scope(kind="site"),
    Scope(kind="device", esp_id=DEVICES[0]),
    Scope(kind="zone", zone_id="north"),
    Scope(kind="actuator", esp_id=DEVICES[1], gpio=25),
)

place, word = st.sampled_from(PLACES), st.sampled_from([True, False, None])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("says"), place, word, st.booleans(), st.sampled_from(["", "north"])),
        st.tuples(st.just("latch"), st.integers(0, 3)),
        st.tuples(st.just("release"), st.integers(0, 3)),
        st.tuples(st.just("hold"), place, st.booleans()),
        st.tuples(st.just("silent"), st.booleans()),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 3.0, 40.0])),
        st.tuples(st.just("taken")),
        st.tuples(st.just("begin")),
    ),
    max_size=40,
)


class History:
    """What happened, in the plainest words."""

    def __init__(self) -> None:
        self.stopping, self.now = Stopping(), 0.0
        self.stopping.begin(0.0)
        self.on: dict[tuple[str, int], bool | None] = {}
        self.zones: dict[str, str] = {}
        self.latches: dict[int, Scope] = {}
        self.holds: set[tuple[str, int]] = set()
        self.owes: set[tuple[str, int]] = set()
        self.silent = False

    def step(self, kind: str, *what) -> None:
        getattr(self, f"_{kind}")(*what)
        if self.silent:
            self.owes |= {place for place, on in self.on.items() if on is not False}
        self.owes -= self.holds
        self.owes -= {place for place, on in self.on.items() if on is False}

    def _says(self, place, on, retained, zone) -> None:
        esp_id, gpio = place
        if not retained or esp_id not in self.zones:
            self.zones[esp_id] = zone
        self.on[place] = self.on.get(place) if retained else on
        said = Said(kaiser_id="god", esp_id=esp_id, gpio=gpio, on=on, zone_id=zone, retained=retained)
        self.stopping.hear(said, self.now)

    def _latch(self, number) -> None:
        if number not in self.latches:
            self.latches[number] = SCOPES[number]
            self.on |= {place: None for place in self.on if self.covered(place, SCOPES[number])}
        self.stopping.latch(Latch(str(number), SCOPES[number]), self.now)

    def _release(self, number) -> None:
        self.latches.pop(number, None)
        self.stopping.release(str(number), self.now)

    def _hold(self, place, hold) -> None:
        (self.holds.add if hold else self.holds.discard)(place)
        self.stopping.hold(place, hold=hold, now=self.now)

    def _silent(self, silent) -> None:
        self.silent = silent
        self.stopping.safety_is(silent=silent, now=self.now)

    def _wait(self, seconds) -> None:
        self.now += seconds
        self.stopping.due(self.now)

    def _taken(self) -> None:
        for number in self.latches:
            self.stopping.broadcast_taken(str(number))

    def _begin(self) -> None:
        self.silent = False
        self.on = dict.fromkeys(self.on)
        self.stopping.begin(self.now)

    def covered(self, place, scope: Scope) -> bool:
        zones = {self.zones.get(place[0], "")} - {""}
        return scope.covers(kaiser_id="god", zones=zones, esp_id=place[0], gpio=place[1])

    def has_to_be_off(self) -> set[tuple[str, int]]:
        latched = {place for place in self.on if any(self.covered(place, scope) for scope in self.latches.values())}
        return {place for place in latched | self.owes if self.on[place] is not False}


@given(steps)
@settings(max_examples=1000, deadline=None)
def test_exactly_what_has_to_be_off_and_has_not_said_so_is_told_within_the_longest_pause(history) -> None:
    site = History()
    for step in history:
        site.step(*step)
        assert site.stopping.unconfirmed == len(site.has_to_be_off())
    site.now += PAUSES_S[-1]
    orders = site.stopping.due(site.now) + site.stopping.due(site.now)
    assert {(order.esp_id, order.gpio) for order in orders if isinstance(order, Off)} == site.has_to_be_off()
    assert 0 in site.latches or not any(isinstance(order, Broadcast) for order in orders)
    assert not any(isinstance(order, DeviceStop) for order in orders)  # nobody has said that it is head
