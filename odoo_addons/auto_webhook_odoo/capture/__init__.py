"""What happens inside the business transaction: noticing changes and writing their events."""

from . import changes, columns, companies, effects, events, names, rendering, tracking
