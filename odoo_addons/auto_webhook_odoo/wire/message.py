"""The HTTP message that carries pushed events (docs/protocol.md)."""

import hashlib

from .jsontext import dumps


def extended(event, **members):
    """Return the JSON text of an event with more members at its beginning."""
    return f"{dumps(members)[:-1]},{event[1:]}"


def batch(source, events):
    """Return the JSON text of a batch.

    :param events: JSON texts of events
    """
    return f'{{"source":{dumps(source)},"events":[{",".join(events)}]}}'


def message_id(source, event_name):
    """Return the ``webhook-id`` of a single event. It is the same in every attempt.

    :param event_name: ``wire.event.EVENT_NAME`` of the event
    """
    return f"{source}_{event_name}"


def batch_message_id(source, event_names):
    """Return the ``webhook-id`` of a batch. It is the same if the same events are sent again."""
    digest = hashlib.sha256("\n".join(event_names).encode()).hexdigest()
    return f"{source}_batch_{digest[:32]}"
