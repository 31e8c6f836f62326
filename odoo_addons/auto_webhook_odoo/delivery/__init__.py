"""What happens after the commit: taking events to the endpoints of subscribers."""

from . import dispatcher, sender, transport
