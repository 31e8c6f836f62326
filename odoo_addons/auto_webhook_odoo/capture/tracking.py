"""What is recorded of one model, and how."""

import dataclasses
import functools
import re

from .columns import column_sql, company_sql, select_by_ids

#: Field names that hold secrets although Odoo puts no groups on them, such as ``access_token``.
SENSITIVE_NAME = re.compile(r"password|secret|token|key", re.IGNORECASE)

#: The same, where the name does not say so.
SENSITIVE_FIELDS = frozenset({("ir.config_parameter", "value")})

#: Changed by every write, so never a change by themselves.
LOG_FIELDS = frozenset({"create_uid", "create_date", "write_uid", "write_date"})


@dataclasses.dataclass(frozen=True)
class Tracking:
    """How the changes of one model become events. Comes from a ``webhook.config`` or from the
    class attributes of a model that inherits ``webhook.mixin``; see ``make_tracking``."""

    model: str
    events: frozenset
    priority: str
    category: str
    instant_send: bool
    include_old_values: bool
    #: fields that are sent
    payload: tuple
    #: fields whose change is a change of the record
    compared: frozenset
    #: compared fields whose old values may be sent; a secret that only decides may not
    told: frozenset
    #: fields that are read together, to compare and to send
    read: tuple
    #: how ``read`` is read for many ids
    query: str
    #: a write counts only if one of these changed; empty: any that is compared
    trigger_fields: frozenset
    #: a write is sent at once only if one of these changed; empty: any
    instant_fields: frozenset
    #: records that count, and records that are sent at once; empty: all
    filter_domain: tuple
    instant_domain: tuple
    #: updated by raw SQL before the ORM hears of it, so read with every pre-image
    updated_by_sql: frozenset
    config_id: int | None = None
    #: endpoints of instant events; empty: every active one
    subscriber_ids: tuple = ()

    @functools.cached_property
    def position(self):
        """``{field: its place in a row of query, without the id}``."""
        return {name: index for index, name in enumerate(self.read)}

    @property
    def domains(self):
        """The domains that have to be asked before and after a change."""
        return [domain for domain in (self.filter_domain, self.instant_domain) if domain]

    def counts(self, event, changed, matched):
        """Tell whether a net change becomes an event.

        :param changed: names of the fields that changed
        :param matched: the domains that the record matched before or after the change
        """
        if event not in self.events or (self.filter_domain and self.filter_domain not in matched):
            return False
        if event == "write" and self.trigger_fields:
            return not self.trigger_fields.isdisjoint(changed)
        return True

    def is_instant(self, event, changed, matched):
        """Tell whether an event is pushed right after the commit instead of waiting for a pull."""
        if self.priority != "high" or not self.instant_send:
            return False
        if self.instant_domain and self.instant_domain not in matched:
            return False
        if event == "write" and self.instant_fields:
            return not self.instant_fields.isdisjoint(changed)
        return True


def make_tracking(
    model,
    *,
    payload_fields=(),
    trigger_fields=(),
    instant_fields=(),
    filter_domain=(),
    instant_domain=(),
    **options,
):
    """Return the ``Tracking`` of a model.

    :param payload_fields: fields to send; empty: every stored field that is neither a file, nor a
        list of lines, nor sensitive
    """
    payload = tuple(payload_fields) or tuple(
        name for name, field in sorted(model._fields.items()) if _is_default(model, field)
    )
    wanted = {*payload, *trigger_fields, *instant_fields}
    # a record that leaves the selection has to be noticed, whatever is sent
    wanted |= _asked_about(model, filter_domain) | _asked_about(model, instant_domain)
    # a file is sent as true or false only, and its content is elsewhere
    compared = {name for name in wanted if model._fields[name].type != "binary"} - LOG_FIELDS
    read = list(dict.fromkeys((*payload, *sorted(wanted))))
    if "company_id" not in read and company_sql(model):
        read.append("company_id")  # says who may see the event
    sequence = getattr(model, "_sequence_field", None)  # account's sequence.mixin
    return Tracking(
        model=model._name,
        payload=payload,
        compared=frozenset(compared),
        told=frozenset(
            name for name in compared if name in payload or not _is_sensitive(model, name)
        ),
        read=tuple(read),
        query=select_by_ids(model, read),
        trigger_fields=frozenset(trigger_fields),
        instant_fields=frozenset(instant_fields),
        filter_domain=_hashable(filter_domain),
        instant_domain=_hashable(instant_domain),
        updated_by_sql=frozenset({sequence} & compared),
        **options,
    )


def _hashable(domain):
    return tuple(_hashable(item) if isinstance(item, (list, tuple)) else item for item in domain)


def _asked_about(model, domain):
    """Return the fields of the record itself that a domain depends on."""
    names = {item[0].partition(".")[0] for item in domain if isinstance(item, (list, tuple))}
    return {
        name
        for name in names.intersection(model._fields)
        if name != "id" and column_sql(model, model._fields[name]) is not None
    }


def _is_default(model, field):
    if field.type in ("binary", "one2many") or field.name in ("id", "parent_path"):
        return False
    return not _is_sensitive(model, field.name) and column_sql(model, field) is not None


def _is_sensitive(model, name):
    """Tell whether a field is sent only if it is listed."""
    if model._fields[name].groups or SENSITIVE_NAME.search(name):
        return True
    return (model._name, name) in SENSITIVE_FIELDS
