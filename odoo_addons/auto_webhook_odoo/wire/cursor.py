"""The cursor of the feed. Clients store it and send it back; to them it is just a number."""

from typing import NamedTuple

#: The largest integer that JavaScript, and so many a mobile app, represents exactly.
MAX_CURSOR = 2**53 - 1

# 37 bits hold 137 billion positions: a hundred events a second for 43 years. The other 16 bits hold
# the generation. There are three a day until the year 2085 (``webhook.feed.break``).
#
# Earlier versions of the addon gave the position 31 bits. A cursor of theirs reads as one of a
# generation that was over long before, so it has expired.
_POSITION_BITS = 37
_POSITIONS = 1 << _POSITION_BITS


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
        generation, position = divmod(number, _POSITIONS)
        return cls(position, generation)

    def encode(self):
        """Return the integer for the wire. It never gets smaller while a reader goes on.

        :raises OverflowError: if it does not fit, because it would then mean another cursor
        """
        number = self.generation * _POSITIONS + self.position
        if self.position >= _POSITIONS or number > MAX_CURSOR:
            raise OverflowError(f"The feed has no number for {self}.")
        return number
