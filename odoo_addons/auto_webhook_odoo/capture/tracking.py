"""Says which changes of a model are recorded, and how."""

import dataclasses
import functools
import re

from .columns import column_sql, path_sql, select_by_ids
from .ownership import find_owners, leads_to_companies

#: Names of fields that hold secrets although Odoo restricts them to no group, such as
#: ``access_token``.
SENSITIVE_NAME = re.compile(r"password|secret|token|key", re.IGNORECASE)

#: Fields that hold secrets although their name does not tell.
SENSITIVE_FIELDS = frozenset({("ir.config_parameter", "value")})

#: Odoo sets these itself, so they are no change by themselves.
LOG_FIELDS = frozenset({"create_uid", "create_date", "write_uid", "write_date"})


@dataclasses.dataclass(frozen=True)
class Tracking:
    """How the changes of one model become events.

    It is made by ``make_tracking``, from a ``webhook.config`` or from the class attributes of a
    model that inherits ``webhook.mixin``.
    """

    model: str
    events: frozenset
    priority: str
    category: str
    instant_send: bool
    include_old_values: bool
    #: fields that are sent
    payload: tuple
    #: fields whose change is a change of the record, and the names of its owners
    compared: frozenset
    #: compared fields whose old values may be sent; a secret that is only compared is not among
    #: them
    told: frozenset
    #: fields and paths that are read, for comparing and for sending
    read: tuple
    #: the query that reads ``read`` for many ids
    query: str
    #: a write is recorded only if one of these changed; empty: if any compared field changed
    trigger_fields: frozenset
    #: a write is instant only if one of these changed; empty: always
    instant_fields: frozenset
    #: only records in this domain are recorded; empty: all
    filter_domain: tuple
    #: only records in this domain are instant; empty: all
    instant_domain: tuple
    #: fields that Odoo updates with SQL before the ORM is told, so they are read with every
    #: pre-image
    updated_by_sql: frozenset
    #: ``Owner`` objects: what decides which companies see the record
    owners: tuple = ()
    config_id: int | None = None
    #: subscribers that get instant events; empty: all that are active
    subscriber_ids: tuple = ()

    @functools.cached_property
    def position(self):
        """``{field: index in a row of query, the id not counted}``."""
        return {name: index for index, name in enumerate(self.read)}

    @functools.cached_property
    def owned_by(self):
        """The names of the owners. A change of one may take the record from its readers."""
        return frozenset(owner.name for owner in self.owners)

    @functools.cached_property
    def owners_by_field(self):
        """``{many2one field: names of the owners whose paths begin with it}``."""
        found = {}
        for owner in self.owners:
            name, dot, _rest = owner.path.partition(".")
            if dot:
                found[name] = found.get(name, frozenset()) | {owner.name}
        return found

    def compared_with(self, names):
        """Return what has to be compared when these fields change."""
        found = self.compared.intersection(names) | self.updated_by_sql
        for name in self.owners_by_field.keys() & names:
            found |= self.owners_by_field[name]
        return found

    @property
    def domains(self):
        """The domains to evaluate before and after a change."""
        return [domain for domain in (self.filter_domain, self.instant_domain) if domain]

    def counts(self, event, changed, matched):
        """Return whether a net change becomes an event.

        :param changed: names of the changed fields
        :param matched: the domains that the record matched before or after the change
        """
        if event not in self.events or (self.filter_domain and self.filter_domain not in matched):
            return False
        if event == "write" and self.trigger_fields:
            # Those who lose the record must be told.
            return not (self.trigger_fields | self.owned_by).isdisjoint(changed)
        return True

    def is_instant(self, event, changed, matched):
        """Return whether an event is pushed right after the commit; others wait for a pull."""
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

    :param payload_fields: fields to send; empty: every stored field except files, lists of lines,
        and fields that may hold secrets
    """
    payload = tuple(payload_fields) or tuple(
        name for name, field in sorted(model._fields.items()) if _is_default(model, field)
    )
    wanted = {*payload, *trigger_fields, *instant_fields}
    # A record that stops matching a domain must be noticed, whether the field is sent or not.
    wanted |= _asked_about(model, filter_domain) | _asked_about(model, instant_domain)
    # A file is sent as true or false only, and its content is stored elsewhere.
    compared = {name for name in wanted if model._fields[name].type != "binary"} - LOG_FIELDS
    owners = find_owners(model)
    named = [owner.name for owner in owners]
    compared.update(named)
    if leads_to_companies(model, "company_id") and path_sql(model, "company_id"):
        named.append("company_id")  # it is sent with the event
    read = list(dict.fromkeys((*payload, *sorted(wanted), *named)))
    sequence = getattr(model, "_sequence_field", None)  # of sequence.mixin, in the addon account
    return Tracking(
        model=model._name,
        payload=payload,
        compared=frozenset(compared),
        told=frozenset(
            name
            for name in compared.intersection(model._fields)
            if name in payload or not _is_sensitive(model, name)
        ),
        read=tuple(read),
        query=select_by_ids(model, read),
        trigger_fields=frozenset(trigger_fields),
        instant_fields=frozenset(instant_fields),
        filter_domain=_hashable(filter_domain),
        instant_domain=_hashable(instant_domain),
        updated_by_sql=frozenset({sequence} & compared),
        owners=owners,
        **options,
    )


def _hashable(domain):
    """Return a domain with tuples in the place of lists."""
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
    """Return whether a field is sent if the configuration lists no fields."""
    if field.type in ("binary", "one2many") or field.name in ("id", "parent_path"):
        return False
    return not _is_sensitive(model, field.name) and column_sql(model, field) is not None


def _is_sensitive(model, name):
    """Return whether a field is sent only if the configuration lists it."""
    if model._fields[name].groups or SENSITIVE_NAME.search(name):
        return True
    return (model._name, name) in SENSITIVE_FIELDS
