"""How many events a batch has."""

from bridgecore.handling.pace import BATCH_SECONDS, LONG, MAX_EVENTS, Pace
from hypothesis import given
from hypothesis import strategies as st


def test_it_begins_with_one_and_doubles_while_handlers_are_fast():
    pace = Pace()
    limits = [pace.limit]
    for _ in range(8):
        pace.note_batch(pace.limit * 1e-5, pace.limit)
        limits.append(pace.limit)
    assert limits == [1, 2, 4, 8, 16, 32, 64, MAX_EVENTS, MAX_EVENTS]


def test_after_a_slow_one_it_is_one_again():
    pace = Pace()
    pace.note_batch(0.001, MAX_EVENTS)
    pace.note_batch(60, MAX_EVENTS)
    assert pace.limit == 1


def test_what_takes_long_is_known_from_the_last_batch():
    pace = Pace()
    assert not pace.is_long(1000)  # nothing is known yet
    pace.note_batch(1.0, 10)
    assert not pace.is_long(int(LONG / 0.1))
    assert pace.is_long(int(LONG / 0.1) + 1)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, MAX_EVENTS))))
def test_a_batch_never_has_more_events_than_a_moment_allows(batches):
    pace = Pace()
    for seconds, events in batches:
        pace.note_batch(seconds, events)
        assert 1 <= pace.limit <= MAX_EVENTS
        assert pace.limit == 1 or pace.limit * seconds / events <= BATCH_SECONDS * 1.000001
