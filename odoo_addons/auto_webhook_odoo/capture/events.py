"""Turns net changes into rows of ``update.webhook``."""

import collections
import dataclasses
import json

from ..wire.jsontext import dumps
from .companies import language, main_company
from .names import read_names
from .ownership import Audience, is_told_by, lost
from .rendering import Renderer

#: Largest size of a payload, in bytes of JSON, unless the system parameter says otherwise.
DEFAULT_LIMIT = 256 * 1024
LIMIT_PARAMETER = "auto_webhook_odoo.payload_limit"


@dataclasses.dataclass
class NetChange:
    """The difference that a transaction made to one record."""

    event: str
    record_id: int
    #: raw values in the order of ``Tracking.read``
    row: list
    #: {changed field: raw old value}
    old: dict
    instant: bool = False
    #: content of the payload's ``_metadata``
    metadata: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class EventGroup:
    """Events of one model that share most columns of ``update.webhook``."""

    model: str
    event: str
    changed_fields: str | None
    priority: str
    category: str
    config_id: int | None
    record_ids: list
    company_ids: list
    #: JSON texts; an empty text of old values is written as NULL
    payloads: list
    old_values: list
    #: the companies that see each event; None if that is the event's company, or everybody if it
    #: has none
    shown_to: list
    #: the companies that saw each record before the change, and do not see it any more; or None
    lost_by: list


class EventWriter:
    """Collects the changes of all models of a transaction, and writes them with one statement."""

    def __init__(self, env):
        self._env = env
        self._main = main_company(env)
        self._branches = env["res.company"]._webhook_branches()
        #: ``{comodel: {id: name}}``, filled with one query and used by all renderers
        self._names = {}
        #: [(Tracking, Renderer, changes of one kind that concern the same fields)]
        self._alike = []

    def add(self, model, tracking, changes):
        """Add the net changes of one model."""
        alike = collections.defaultdict(list)
        for change in changes:
            alike[change.event, tuple(change.old)].append(change)
        renderer = Renderer(model, self._names, self._main)
        self._alike += [(tracking, renderer, members) for members in alike.values()]

    def flush(self, stale):
        """Write the events.

        :param list stale: ids of event rows that the new ones replace
        :return: ``({(model, record id): event id}, [(event id, subscriber ids)])``; the list names
            the events that are pushed right after the commit
        """
        if not self._alike and not stale:
            return {}, []
        ids = self._env["update.webhook"]._insert_events(self.render(), stale)
        written, instant = {}, []
        changes = ((tracking, change) for tracking, _, alike in self._alike for change in alike)
        for (tracking, change), event_id in zip(changes, ids, strict=True):
            written[tracking.model, change.record_id] = event_id
            if change.instant:
                instant.append((event_id, tracking.subscriber_ids))
        return written, instant

    def render(self):
        """Return the events as ``EventGroup`` objects, without writing them."""
        self._read_names()
        return [self._group(*alike) for alike in self._alike]

    def _read_names(self):
        """Read the names of all records that the many2one fields in the events point at."""
        wanted = collections.defaultdict(set)
        for tracking, renderer, changes in self._alike:
            companies = _company_ids(tracking, changes)
            for fields, rows in (_payloads(tracking, changes), _old_values(tracking, changes)):
                for comodel, ids in renderer.pointed_at(fields, rows, companies):
                    wanted[comodel] |= ids
        self._names.update(read_names(self._env, wanted, language(self._main)))

    def _group(self, tracking, renderer, changes):
        """Return the ``EventGroup`` of changes that concern the same fields."""
        company_ids = _company_ids(tracking, changes)
        payloads, omitted = renderer.objects(*_payloads(tracking, changes), company_ids)
        fields, rows = _old_values(tracking, changes)
        old_values, old_omitted = [""] * len(rows), [[]] * len(rows)
        if fields:
            old_values, old_omitted = renderer.objects(fields, rows, company_ids)
        group = EventGroup(
            model=tracking.model,
            event=changes[0].event,
            changed_fields=dumps(sorted(changes[0].old)) if changes[0].old else None,
            priority=tracking.priority,
            category=tracking.category,
            config_id=tracking.config_id,
            record_ids=[change.record_id for change in changes],
            company_ids=company_ids,
            payloads=payloads,
            old_values=old_values,
            shown_to=[None] * len(changes),
            lost_by=[None] * len(changes),
        )
        self._address(group, tracking, changes)
        for index, change in enumerate(changes):
            if omitted[index]:
                change.metadata["not_serialisable"] = omitted[index]
            if old_omitted[index]:
                change.metadata["old_not_serialisable"] = old_omitted[index]
            if change.metadata:
                group.payloads[index] = _with_metadata(payloads[index], change.metadata)
        self._reduce(group, changes)
        return group

    def _address(self, group, tracking, changes):
        """Say which companies see the events, and which see only that the record is gone.

        Old values are not sent if a company sees the record that did not see it before.
        """
        audience = Audience(tracking, self._branches)
        now = audience.of(changes)
        pairs = list(zip(group.company_ids, now, strict=True))
        shown = {pair: None if is_told_by(*pair) else pair[1] for pair in set(pairs)}
        group.shown_to = [shown[pair] for pair in pairs]
        if tracking.owned_by.isdisjoint(changes[0].old):
            return
        before = audience.of(changes, before=True)
        group.lost_by = [lost(*pair) for pair in zip(before, now, strict=True)]
        for index, (others, seen) in enumerate(zip(before, now, strict=True)):
            if lost(seen, others):
                group.old_values[index] = ""

    def _reduce(self, group, changes):
        """Shorten payloads that are too large, first to the changed fields, then to nothing."""
        limit = payload_limit(self._env)
        # A character has one to four bytes, so most texts need not be encoded to compare their
        # size.
        if max(map(len, (*group.payloads, *group.old_values))) * 4 <= limit:
            return
        for index, change in enumerate(changes):
            steps = [(change.old, "changed_fields")] if change.old else []
            for names, reduced in (*steps, ((), "nothing")):
                texts = (group.payloads[index], group.old_values[index])
                if all(len(text.encode()) <= limit for text in texts):
                    break
                values = json.loads(texts[0])
                kept = {name: values[name] for name in names if name in values}
                metadata = {**change.metadata, "reduced_to": reduced}
                group.payloads[index] = dumps({**kept, "_metadata": metadata})
                group.old_values[index] = texts[1] if names else ""


def payload_limit(env):
    """Return the largest size of a payload, in bytes of JSON."""
    parameter = env["ir.config_parameter"].sudo().get_param(LIMIT_PARAMETER)
    return int(parameter) if parameter and parameter.isdecimal() else DEFAULT_LIMIT


def _company_ids(tracking, changes):
    """Return the company of each record; None if it has none, or several."""
    if (position := tracking.position.get("company_id")) is not None:
        return [change.row[position] for change in changes]
    if not tracking.owners:
        return [None] * len(changes)
    position = tracking.position[tracking.owners[0].name]
    return [_only(change.row[position]) for change in changes]


def _only(value):
    """Return the only id in a list, or None. An id that is in no list is the only one."""
    if isinstance(value, list):
        return value[0] if len(value) == 1 else None
    return value


def _payloads(tracking, changes):
    """Return ``(fields, rows)`` of the payloads."""
    width = len(tracking.payload)  # Tracking.read begins with these
    return tracking.payload, [change.row[:width] for change in changes]


def _old_values(tracking, changes):
    """Return ``(fields, rows)`` of the old values; no fields if old values are not sent."""
    fields = tuple(name for name in changes[0].old if name in tracking.told)
    if not tracking.include_old_values:
        fields = ()
    return fields, [[change.old[name] for name in fields] for change in changes]


def _with_metadata(payload, metadata):
    """Return the JSON text of a payload with ``_metadata`` added."""
    comma = "," if len(payload) > 2 else ""
    return f'{payload[:-1]}{comma}"_metadata":{dumps(metadata)}}}'
