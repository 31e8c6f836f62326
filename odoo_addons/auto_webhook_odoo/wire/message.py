"""The HTTP message that carries pushed events (docs/protocol.md)."""

import hashlib

from .jsontext import dumps


def extended(event, **members):
    """Return the JSON text of an event with more members at its beginning."""
    return f"{dumps(members)[:-1]},{event[1:]}"


def single(source, event_name, event, replayed):
    """Return the ``webhook-id`` and the body of an event that is sent without a batch around it.

    :param event_name: ``wire.event.EVENT_NAME`` of the event
    :param replayed: whether it is sent again, so that the endpoint may have got later events of its
        record
    """
    if replayed:
        event = extended(event, replayed=True)
    return message_id(source, event_name), extended(event, source=source).encode()


def batch(source, events):
    """Return the JSON text of a batch.

    :param events: JSON texts of events
    """
    return f'{{"source":{dumps(source)},"events":[{",".join(events)}]}}'


def sample(source, event):
    """Return the JSON text of a sample, from that of its event.

    The empty list of events makes it a batch without events for a receiver that knows batches.
    """
    return extended(event, source=source, sample=True, events=[])


def sample_message_id(source, random_id):
    """Return the ``webhook-id`` of a sample. Each has another one, so that none is a duplicate."""
    return f"{source}_sample_{random_id}"


def message_id(source, event_name):
    """Return the ``webhook-id`` of a single event. It is the same in every attempt.

    :param event_name: ``wire.event.EVENT_NAME`` of the event
    """
    return f"{source}_{event_name}"


def batch_message_id(source, event_names):
    """Return the ``webhook-id`` of a batch. It is the same if the same events are sent again."""
    digest = hashlib.sha256("\n".join(event_names).encode()).hexdigest()
    return f"{source}_batch_{digest[:32]}"
