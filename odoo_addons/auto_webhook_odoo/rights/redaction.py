"""Reduces events to what their reader may read in Odoo now."""

import collections
import json

from ..capture.companies import main_company
from ..wire.gone import gone
from ..wire.jsontext import dumps
from .readable import Readable

_LISTS = ("one2many", "many2many")


def redact(user, events, tell_all):
    """Return the events as a user sees who follows record rules, in the same order.

    The events are shown only if their record may be read now, with the fields that may be read. An
    event of another record only says that the record is gone.

    :param list events: JSON texts of events of models that the user may read
    :param tell_all: whether even the creation of a record that may not be read is told, as gone.
        Otherwise it is left out, because the reader cannot know the record.
    """
    return _Redaction(user, events).texts(tell_all)


class _Redaction:
    """Looks up what the events of one page need with one search per model."""

    def __init__(self, user, events):
        self._env = user.sudo().env
        self._rights = Readable(user)
        self._main_id = main_company(self._env).id
        self._events = [(json.loads(text), text) for text in events]
        #: {model: names of its fields that hold lists of ids}
        self._lists = {}
        #: {(model, company): names of fields whose values are shown as they are}
        self._plain = collections.defaultdict(set)
        #: {model: ids of records that may be read}
        self._readable = {
            model_name: self._rights.ids(model_name, ids)
            for model_name, ids in self._wanted().items()
        }

    def texts(self, tell_all):
        shown = (self._shown(event, text, tell_all) for event, text in self._events)
        return [text for text in shown if text is not None]

    def _wanted(self):
        """Return ``{model: ids}`` of the records that the events are about or list."""
        wanted = collections.defaultdict(set)
        for event, _text in self._events:
            wanted[event["model"]].add(event["record_id"])
            for values in (event["payload"], event["old_values"]):
                for name, comodel in self._listed(event["model"], values or {}):
                    wanted[comodel].update(values[name] or ())
        return wanted

    def _listed(self, model_name, values):
        """Return ``[(name, comodel)]`` of the values that are lists of ids."""
        if model_name not in self._lists:
            fields = self._env[model_name]._fields.values()
            self._lists[model_name] = {f.name: f.comodel_name for f in fields if f.type in _LISTS}
        lists = self._lists[model_name]
        return [(name, lists[name]) for name in values.keys() & lists.keys()]

    def _shown(self, event, text, tell_all):
        """Return the JSON text of an event for the reader, or None if it is left out."""
        if event["record_id"] not in self._readable[event["model"]]:
            if event["event"] == "create" and not tell_all:
                return None
            return dumps(gone(event))
        if event["event"] == "unlink":
            return dumps(gone(event))
        parts = {
            name: self._values(event, event[name])
            for name in ("payload", "old_values")
            if event[name]
        }
        if event["changed_fields"]:
            parts["changed_fields"] = self._names(event, event["changed_fields"])
        if all(part == event[name] for name, part in parts.items()):
            return text
        return dumps(event | parts)

    def _values(self, event, values):
        """Return the values that the reader may read; the same object if these are all."""
        plain = self._plain[event["model"], event["company_id"]]
        special = values.keys() - plain
        if not special:
            return values
        shown = dict(values)
        for name in special:
            if name == "_metadata":
                shown[name] = self._metadata(event, values[name])
            elif not self._shows(event, name):
                del shown[name]
            elif comodel := self._lists[event["model"]].get(name):
                readable = self._readable[comodel]
                shown[name] = [i for i in values[name] or () if i in readable]
            else:
                plain.add(name)
        return shown

    def _metadata(self, event, metadata):
        """Return the metadata of a payload; its lists are names of fields."""
        return {
            key: self._names(event, value) if isinstance(value, list) else value
            for key, value in metadata.items()
        }

    def _names(self, event, names):
        return [name for name in names if self._shows(event, name)]

    def _shows(self, event, name):
        """Return whether the reader may read a field. A field that is no more may have had groups.

        The value of a company-dependent field is that of the record's company, else that of the
        main company.
        """
        if name in self._plain[event["model"], event["company_id"]]:
            return True
        field = self._env[event["model"]]._fields.get(name)
        company_id = event["company_id"] or self._main_id
        return field is not None and self._rights.shows(field, company_id)
