"""The cursor of the feed, which clients store and send back without understanding it."""

from typing import NamedTuple

_POSITION_BITS = 31  # positions are Odoo's ids, which are int4
#: Beyond this JavaScript, and so many a mobile app, does not know whole numbers
MAX_CURSOR = 2**53 - 1


class Cursor(NamedTuple):
    """How far a reader has read, and what it has been told.

    The position alone does not say whether its reader has missed something. Of two readers that
    stand before positions that were deleted, one has missed these events; the other has started
    anew since, knows that they are gone, and must be let through. The generation tells them apart:
    it is the last ``webhook.feed.break`` that its reader knows of.
    """

    position: int
    generation: int = 0

    @classmethod
    def decode(cls, number):
        """Return what an integer of the wire means."""
        generation, position = divmod(number, 1 << _POSITION_BITS)
        return cls(position, generation)

    def encode(self):
        """Return the integer that goes over the wire; it never gets smaller as a reader goes on."""
        return (self.generation << _POSITION_BITS) + self.position
