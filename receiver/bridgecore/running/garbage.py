"""Python's search for objects that only refer to each other."""

import gc

#: new objects after which it begins: about those of 100 events. By default it begins after a few
#: hundred (2,000 since Python 3.14), and takes a tenth of a busy process's time.
NEW_OBJECTS = 20_000


def collect_rarely() -> None:
    """What is there now will stay, so it is never searched again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
