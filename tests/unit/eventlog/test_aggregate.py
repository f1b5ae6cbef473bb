from kaiser.eventlog import Aggregate


def test_a_state_is_what_its_events_made_of_it():
    counter = Aggregate(
        initial=0,
        decide=lambda state, command: [command] if state + command >= 0 else [],
        evolve=lambda state, event: state + event,
        encode=lambda event: event,
        decode=lambda delivery: delivery,
    )
    assert counter.replayed([1, 2, 3]) == 6
    assert counter.replayed([-1], 6) == 5
    assert counter.replayed([]) == 0
