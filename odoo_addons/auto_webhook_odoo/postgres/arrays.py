"""Fields that PostgreSQL stores as arrays."""

from odoo import fields
from odoo.tools import SQL


class IntArray(fields.Json):
    """Whole numbers. A domain asks with ``in`` whether one of them is in a list.

    ``False`` in that list matches records without an array.
    """

    _column_type = ("_int4", "int4[]")

    def convert_to_cache(self, value, record, validate=True):
        return list(value) if isinstance(value, (list, tuple)) else None

    def convert_to_column(self, value, record, values=None, validate=True):
        return self.convert_to_cache(value, record)

    def _condition_to_sql(self, field_expr, operator, value, model, alias, query):
        if operator not in ("in", "not in"):
            return super()._condition_to_sql(field_expr, operator, value, model, alias, query)
        column = model._field_to_sql(alias, field_expr, query)
        wanted = [number for number in value if number is not False]
        found = SQL("coalesce(%s && %s::int[], FALSE)", column, wanted)
        if len(wanted) < len(value):
            found = SQL("(%s IS NULL OR %s)", column, found)
        return SQL("NOT %s", found) if operator == "not in" else found

    def filter_function(self, records, field_expr, operator, value):
        if operator != "in":
            return super().filter_function(records, field_expr, operator, value)
        return lambda record: (
            not value.isdisjoint(numbers)
            if isinstance(numbers := record[self.name], list)
            else False in value
        )
