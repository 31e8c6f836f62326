"""What happens inside the business transaction: noticing changes and writing their events."""

from . import changes, columns, effects, events, names, rendering, tracking
