"""From net changes to rows of ``update.webhook``."""

import collections
import dataclasses
import json

from ..wire.jsontext import dumps
from .companies import language, main_company
from .names import read_names
from .rendering import Renderer

#: Bytes of JSON above which a payload is reduced, unless a system parameter says otherwise.
DEFAULT_LIMIT = 256 * 1024
LIMIT_PARAMETER = "auto_webhook_odoo.payload_limit"


@dataclasses.dataclass
class NetChange:
    """What a transaction did to one record."""

    event: str
    record_id: int
    #: raw values in the order of ``Tracking.read``
    row: list
    #: {changed field: raw old value}
    old: dict
    instant: bool = False
    #: said in the payload's ``_metadata``
    metadata: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class _Batch:
    model: object
    tracking: object
    changes: list
    renderer: Renderer
    company_ids: list


class EventWriter:
    """Collects the changes of all models of a transaction and writes them with one statement."""

    def __init__(self, env):
        self._env = env
        self._batches = []
        #: shared by all renderers, read in one go
        self._names = {}
        self._main = main_company(env)
        parameter = env["ir.config_parameter"].get_param(LIMIT_PARAMETER)
        self._limit = int(parameter) if parameter and parameter.isdecimal() else DEFAULT_LIMIT

    def add(self, model, tracking, changes):
        """Add the net changes of one model."""
        if changes:
            position = tracking.position.get("company_id")
            company_ids = [
                change.row[position] if position is not None else None for change in changes
            ]
            renderer = Renderer(model, self._names, self._main)
            self._batches.append(_Batch(model, tracking, changes, renderer, company_ids))

    def write(self, stale):
        """Write the events.

        :param list stale: ids of event rows that these replace
        :return: ``({(model, record id): event id}, [(event id, subscriber ids)])``; the list holds
            the events to push right after the commit
        """
        if not self._batches and not stale:
            return {}, []
        self._read_names()
        rows, instant = [], []
        for batch in self._batches:
            rows += self._rows(batch)
            instant += [change.instant for change in batch.changes]
        ids = self._env["update.webhook"]._insert_events(rows, stale)
        written = {(row["model"], row["record_id"]): i for row, i in zip(rows, ids, strict=True)}
        subscribers = [
            batch.tracking.subscriber_ids for batch in self._batches for _change in batch.changes
        ]
        pushed = zip(ids, subscribers, instant, strict=True)
        return written, [(event_id, chosen) for event_id, chosen, now in pushed if now]

    def _read_names(self):
        wanted = collections.defaultdict(set)
        for batch in self._batches:
            for fields, rows, companies in (self._payload(batch), *self._old_values(batch)):
                for comodel, ids in batch.renderer.pointed_at(fields, rows, companies):
                    wanted[comodel] |= ids
        self._names.update(read_names(self._env, wanted, language(self._main)))

    def _payload(self, batch):
        """Return fields, rows and companies to render."""
        width = len(batch.tracking.payload)  # the first of Tracking.read
        rows = [change.row[:width] for change in batch.changes]
        return batch.tracking.payload, rows, batch.company_ids

    def _old_values(self, batch):
        """Yield the same for old values: records whose same fields changed go together."""
        if not batch.tracking.include_old_values:
            return
        groups = collections.defaultdict(list)
        for change, company_id in zip(batch.changes, batch.company_ids, strict=True):
            if change.old:
                groups[tuple(change.old)].append((change, company_id))
        for fields, members in groups.items():
            rows = [[change.old[name] for name in fields] for change, _company in members]
            yield fields, rows, [company_id for _change, company_id in members]

    def _rows(self, batch):
        """Return the columns of ``update.webhook`` for each change of a batch."""
        tracking, renderer = batch.tracking, batch.renderer
        payloads, omitted = renderer.objects(*self._payload(batch))
        old_values = collections.defaultdict(collections.deque)
        for fields, rows, companies in self._old_values(batch):
            old_values[fields].extend(renderer.objects(fields, rows, companies)[0])
        result = []
        for change, company_id, payload, nulled in zip(
            batch.changes, batch.company_ids, payloads, omitted, strict=True
        ):
            changed = tuple(change.old)
            old = old_values[changed].popleft() if old_values.get(changed) else None
            metadata = dict(change.metadata)
            if nulled:
                metadata["not_serialisable"] = nulled
            payload = _with_metadata(payload, metadata)
            payload, old = self._reduced(payload, old, changed, metadata)
            result.append(
                {
                    "model": batch.model._name,
                    "record_id": change.record_id,
                    "event": change.event,
                    "payload": payload,
                    "changed_fields": dumps(sorted(changed)) if changed else None,
                    "old_values": old,
                    "priority": tracking.priority,
                    "category": tracking.category,
                    "company_id": company_id,
                    "config_id": tracking.config_id,
                }
            )
        return result

    def _reduced(self, payload, old, changed, metadata):
        """Shorten what is too large: first to the changed fields, then to nothing."""
        if not self._too_large(payload, old):
            return payload, old
        values = json.loads(payload)
        for names, reduced in ((changed, "changed_fields"), ((), "nothing")):
            kept = {name: values[name] for name in names if name in values}
            kept["_metadata"] = {**metadata, "reduced_to": reduced}
            old = old if names else None
            payload = dumps(kept)
            if names and not self._too_large(payload, old):
                break
        return payload, old

    def _too_large(self, *texts):
        # a character has one to four bytes, so most texts need not be encoded to know
        return any(
            text and len(text) * 4 > self._limit and len(text.encode()) > self._limit
            for text in texts
        )


def _with_metadata(payload, metadata):
    if not metadata:
        return payload
    comma = "," if len(payload) > 2 else ""
    return f'{payload[:-1]}{comma}"_metadata":{dumps(metadata)}}}'
