"""What is recorded for one model, and how."""

import dataclasses
import re

#: Field names that hold secrets although Odoo puts no groups on them, such as ``access_token``.
SENSITIVE_NAME = re.compile(r"password|secret|token|key", re.IGNORECASE)

#: Changed by every write, so never a change by themselves.
LOG_FIELDS = frozenset({"create_uid", "create_date", "write_uid", "write_date"})


@dataclasses.dataclass(frozen=True)
class Tracking:
    """How the changes of one model become events. Comes from a ``webhook.config`` or from the
    class attributes of a model that inherits ``webhook.mixin``."""

    model: str
    events: frozenset
    priority: str
    category: str
    instant_send: bool
    include_old_values: bool
    #: fields in the payload; empty: every stored field that is neither binary nor sensitive
    payload_fields: tuple = ()
    #: a write counts only if one of these changed; empty: any field of the payload
    trigger_fields: frozenset = frozenset()
    #: a write is sent at once only if one of these changed; empty: any
    instant_fields: frozenset = frozenset()
    config_id: int | None = None
    #: endpoints of instant events; empty: every active one
    subscriber_ids: tuple = ()

    def images_of(self, model):
        """Return the names of the fields that are compared, in a stable order."""
        payload = self.payload_of(model)
        extra = (self.trigger_fields | self.instant_fields) - set(payload)
        if "company_id" in model._fields and has_image(model._fields["company_id"]):
            extra |= {"company_id"} - set(payload)  # says who may see the event
        return (*payload, *sorted(extra))

    def payload_of(self, model):
        """Return the names of the fields that are sent."""
        if self.payload_fields:
            return self.payload_fields
        return tuple(name for name, field in sorted(model._fields.items()) if _is_default(field))

    def is_instant(self, event, changed):
        """Tell whether an event is pushed right after the commit instead of waiting for a pull."""
        if self.priority != "high" or not self.instant_send:
            return False
        if event != "write" or not self.instant_fields:
            return True
        return not self.instant_fields.isdisjoint(changed)


def has_image(field):
    """Tell whether the value of a field can be read from the database in bulk."""
    if not field.store or field.type in ("binary", "one2many"):
        return False
    return bool(field.column_type) or field.type == "many2many"


def _is_default(field):
    if not has_image(field) or field.name in ("id", "parent_path"):
        return False
    return not field.groups and not SENSITIVE_NAME.search(field.name)
