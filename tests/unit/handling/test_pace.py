"""How many events a batch has."""

from bridgecore.handling.pace import LONG, MOMENT, MOST, Pace
from hypothesis import given
from hypothesis import strategies as st


def test_it_begins_with_one_and_doubles_while_handlers_are_fast():
    pace = Pace()
    limits = [pace.limit]
    for _ in range(8):
        pace.took(pace.limit * 1e-5, pace.limit)
        limits.append(pace.limit)
    assert limits == [1, 2, 4, 8, 16, 32, 64, MOST, MOST]


def test_after_a_slow_one_it_is_one_again():
    pace = Pace()
    pace.took(0.001, MOST)
    pace.took(60, MOST)
    assert pace.limit == 1


def test_what_takes_long_is_known_from_the_last_batch():
    pace = Pace()
    assert not pace.is_long(1000)  # nothing is known yet
    pace.took(1.0, 10)
    assert not pace.is_long(int(LONG / 0.1))
    assert pace.is_long(int(LONG / 0.1) + 1)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, MOST))))
def test_a_batch_never_has_more_events_than_a_moment_allows(batches):
    pace = Pace()
    for seconds, events in batches:
        pace.took(seconds, events)
        assert 1 <= pace.limit <= MOST
        assert pace.limit == 1 or pace.limit * seconds / events <= MOMENT * 1.000001
