import collections
import math

from odoo import api, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

_LARGEST_INT4 = 2**31 - 1


class WebhookSecrets(models.AbstractModel):
    """Keeps the secrets of a model out of the logs.

    Odoo and PostgreSQL log a statement that fails, with all values in it. One value that PostgreSQL
    refuses is enough, such as a number that is too large for its column. So the model checks every
    value before the statement. And it locks a row before it writes a secret to it: another
    transaction may have changed the row, and then the statement that locks fails, which holds no
    secret.
    """

    _name = "webhook.secrets"
    _description = "Webhook Record with Secrets"
    _webhook_recordable = False

    #: Fields that no log may hold, in addition to those that not every user may read (``groups``).
    _webhook_confidential = frozenset()

    @api.model_create_multi
    def create(self, vals_list):
        vals_list = [self._add_missing_default_values(vals) for vals in vals_list]
        for vals in vals_list:
            self._check_values(vals, missing=True)
        return super().create(vals_list)

    def write(self, vals):
        self._check_values(vals)
        if any(map(self._is_confidential, vals)):
            self._lock()
        return super().write(vals)

    def _is_confidential(self, name):
        field = self._fields.get(name)
        return name in self._webhook_confidential or bool(field and field.groups)

    def _lock(self):
        """Wait for other transactions that update these rows, such as the sender's.

        If one of them has updated a row since this transaction began, this statement fails and Odoo
        repeats the request. Odoo's ``lock_for_update`` does not wait, and Odoo does not repeat a
        request that it fails.
        """
        self.env.cr.execute(
            SQL(
                "SELECT FROM %s WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
                SQL.identifier(self._table),
                self.ids,
            ),
            log_exceptions=False,
        )

    @api.model
    def _check_values(self, vals, missing=False):
        """Refuse values that PostgreSQL would refuse.

        :param bool missing: whether all required fields must be there
        :raises ValidationError: if a value is missing or cannot be stored
        """
        references = collections.defaultdict(dict)
        if missing:
            references["res.users"][self.env.uid] = self._fields["create_uid"]
        for name, field in self._fields.items():
            if not (field.store and field.column_type and (missing or name in vals)):
                continue
            value = vals.get(name)
            if not _is_storable(self, field, value):
                raise ValidationError(
                    self.env._(
                        "%s has a value that cannot be stored.",
                        field._description_string(self.env),
                    )
                )
            if field.required and _is_empty(self, field, value):
                raise ValidationError(
                    self.env._("%s cannot be empty.", field._description_string(self.env))
                )
            if field.type == "many2one" and value and self.env[field.comodel_name]._auto:
                references[field.comodel_name][id_of(value)] = field
        self._check_references(references)

    def _check_references(self, references):
        """Refuse links to records that do not exist, and keep the others from being deleted.

        :param references: ``{model: {id: field}}``
        :raises ValidationError: if one does not exist
        """
        for model_name, fields in references.items():
            self.env.cr.execute(
                SQL(
                    "SELECT id FROM %s WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE",
                    SQL.identifier(self.env[model_name]._table),
                    list(fields),
                ),
                log_exceptions=False,
            )
            for (record_id,) in self.env.cr.fetchall():
                del fields[record_id]
            for field in fields.values():
                raise ValidationError(
                    self.env._(
                        "%s is a record that does not exist (any more).",
                        field._description_string(self.env),
                    )
                )


def _is_storable(record, field, value):
    """Return whether the column of a field takes a value that a user gives."""
    if field.compute and field.readonly and value is not None:
        return False
    if field.type == "many2one" and value:
        return 0 < id_of(value) <= _LARGEST_INT4
    try:
        stored = field.convert_to_cache(value, record)
        if field.column_type[0] == "int4" and stored is not None:
            return type(stored) is int and -_LARGEST_INT4 <= stored <= _LARGEST_INT4
        return all(map(_is_text, _scalars(stored)))
    except (AttributeError, OverflowError, TypeError, ValueError):
        return False  # Odoo cannot convert the value


def _is_empty(record, field, value):
    """Return whether the column of a field is NULL with a value."""
    if field.type == "many2one":
        return not value
    return value is None or field.convert_to_cache(value, record) is None


def id_of(value):
    """Return the id that a many2one is set to, 0 if it is set to anything else."""
    if isinstance(value, models.BaseModel) and len(value) == 1:
        value = value.id
    return value if type(value) is int else 0


def _scalars(value):
    """Yield the scalars in a value, which may be nested as JSON is."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _scalars(item)
    else:
        yield value


def _is_text(value):
    """Return whether PostgreSQL can store a scalar; true for all but odd texts and numbers."""
    if isinstance(value, str):
        value.encode()  # a ValueError for half of a surrogate pair
        return "\0" not in value
    return not isinstance(value, float) or math.isfinite(value)
