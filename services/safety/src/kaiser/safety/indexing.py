"""Derives what a decision needs at hand: which interlocks concern an actuator, who is in a zone. Pure."""

from collections import defaultdict

from kaiser.contracts.events.safeguards import ActuatorRef, AtMost, OnlyWhile, PowerBudget, Rule, SensorBand
from kaiser.roster import Member
from kaiser.safety.state import SensorKey, State, sensor_key


def index_interlocks(state: State) -> frozenset[ActuatorRef]:
    """Derive all indexes of interlocks anew; gives every actuator that an interlock names or counts."""
    rules: dict[ActuatorRef, list[tuple[str, Rule]]] = defaultdict(list)
    dependants: dict[ActuatorRef, set[ActuatorRef]] = defaultdict(set)
    watchers: dict[SensorKey, set[ActuatorRef]] = defaultdict(set)
    budgets: dict[str, list[tuple[str, PowerBudget]]] = defaultdict(list)
    for interlock_id, rule in sorted(state.interlocks.items()):
        for ref in named(rule):
            rules[ref].append((interlock_id, rule))
        match rule:
            case AtMost(actuators=group):
                for ref in group:
                    dependants[ref] |= set(group) - {ref}
            case OnlyWhile():
                dependants[rule.requires].add(rule.actuator)
            case SensorBand():
                watchers[sensor_key(rule.sensor)].add(rule.actuator)
            case PowerBudget():
                budgets[rule.zone_id].append((interlock_id, rule))
    state.rules_of = {ref: tuple(those) for ref, those in rules.items()}
    state.dependants = {ref: frozenset(those) for ref, those in dependants.items()}
    state.watchers = {key: frozenset(those) for key, those in watchers.items()}
    state.budgets = {zone: tuple(those) for zone, those in budgets.items()}
    return frozenset(rules).union(*(state.zones.get(zone, frozenset()) for zone in budgets))


def named(rule: Rule) -> tuple[ActuatorRef, ...]:
    """The actuators that a rule restricts by name, each once; a power budget names none."""
    match rule:
        case AtMost():
            return tuple(dict.fromkeys(rule.actuators))
        case OnlyWhile() | SensorBand():
            return (rule.actuator,)
        case PowerBudget():
            return ()


def index_member(state: State, before: Member, after: Member) -> frozenset[ActuatorRef]:
    """Derive who is in which zone anew for one device; gives its actuators."""
    esp_id = after.esp_id
    pins = state.pins.get(esp_id, frozenset()) | after.actuators.keys()
    refs = frozenset(ActuatorRef(esp_id, gpio) for gpio in pins)
    if pins == state.pins.get(esp_id) and before.zones == after.zones:
        return refs
    state.pins[esp_id] = frozenset(pins)
    for zone in before.zones - after.zones:
        left = state.zones.get(zone, frozenset()) - refs
        if left:
            state.zones[zone] = left
        else:
            state.zones.pop(zone, None)
    for zone in after.zones:
        state.zones[zone] = state.zones.get(zone, frozenset()) | refs
    return refs
