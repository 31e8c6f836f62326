"""The cursor of the feed. Clients store it and send it back; to them it is just a number."""

from typing import NamedTuple

_POSITION_BITS = 31  # a position is an id of Odoo, which is int4
#: the largest integer that JavaScript, and so many a mobile app, represents exactly
MAX_CURSOR = 2**53 - 1


class Cursor(NamedTuple):
    """How far a reader has read the feed, and the last break of the feed that it knows of.

    The position alone does not say whether a reader has missed something. Take two readers that
    stand before deleted positions. One has missed these events. The other has started from the
    beginning since, knows that they are gone, and must be let through. The generation tells the two
    apart: it is the number of the last ``webhook.feed.break`` that the reader knows of.
    """

    position: int
    generation: int = 0

    @classmethod
    def decode(cls, number):
        """Return the cursor that an integer of the wire stands for."""
        generation, position = divmod(number, 1 << _POSITION_BITS)
        return cls(position, generation)

    def encode(self):
        """Return the integer for the wire. It never gets smaller while a reader goes on."""
        return (self.generation << _POSITION_BITS) + self.position
