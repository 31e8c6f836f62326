"""Reads the values of many records as the database holds them.

It uses SQL and not the ORM. When a pre-image is needed, the ORM's cache already holds the new
values. And an event compares all languages of a translated value, and all companies of a
company-dependent value.
"""

from odoo.tools import SQL


def column_sql(model, field):
    """Return the SQL expression for a field of the table ``t``, or None if the field is not stored.

    Values that the ORM does not tell apart (NULL and 0, NULL and False) become equal, so that they
    never count as a change. Dates come as text: PostgreSQL has dates that Python has not.
    """
    if not field.store:
        return None
    if field.type == "many2many":
        return SQL(
            "ARRAY(SELECT r.%(other)s FROM %(relation)s r WHERE r.%(own)s = t.id ORDER BY 1)",
            own=SQL.identifier(field.column1),
            other=SQL.identifier(field.column2),
            relation=SQL.identifier(field.relation),
        )
    if field.type == "one2many":
        inverse = model.env[field.comodel_name]._fields.get(field.inverse_name)
        if inverse is None or inverse.type != "many2one" or not inverse.column_type:
            return None
        return SQL(
            "ARRAY(SELECT r.id FROM %(table)s r WHERE r.%(inverse)s = t.id ORDER BY 1)",
            table=SQL.identifier(model.env[field.comodel_name]._table),
            inverse=SQL.identifier(inverse.name),
        )
    if field.type == "binary":
        return _has_file(model, field)
    if not field.column_type:
        return None
    column = SQL.identifier("t", field.name)
    if field.company_dependent or field.translate:
        return column  # jsonb, with all languages or companies
    if field.type == "boolean":
        return SQL("coalesce(%s, false)", column)
    if field.type in ("integer", "float", "monetary"):
        return SQL("coalesce(%s, 0)", column)
    if field.type in ("date", "datetime"):
        return SQL("%s::text", column)
    return column


def company_sql(model):
    """Return the SQL expression for the company of a record, or None if its model has none.

    A product variant has no such column. It belongs to the company of its template, and its events
    must be hidden from other companies all the same.
    """
    field = model._fields.get("company_id")
    if field is None or field.comodel_name != "res.company":
        return None
    if field.store:
        return column_sql(model, field)
    path = (field.related or "").split(".")
    parent = model._fields.get(path[0])
    if len(path) != 2 or parent.type != "many2one" or not parent.column_type:
        return None
    owner = model.env[parent.comodel_name]
    if not owner._fields[path[1]].column_type:
        return None
    return SQL(
        "(SELECT c.%s FROM %s c WHERE c.id = %s)",
        SQL.identifier(path[1]),
        SQL.identifier(owner._table),
        SQL.identifier("t", parent.name),
    )


def select_by_ids(model, names):
    """Return the query for ``read_rows``: the id, then the fields in the order of ``names``."""
    columns = [SQL.identifier("t", "id")]
    columns += [column_sql(model, model._fields[name]) or company_sql(model) for name in names]
    table = SQL.identifier(model._table)
    selected = SQL("SELECT %s FROM %s t", SQL(", ").join(columns), table)
    return f"{selected.code} WHERE t.id = ANY(%s)"


def read_rows(cr, query, ids):
    """Return ``{id: values}`` of the existing records; values are lists in the query's order."""
    if not ids:
        return {}
    cr.execute(query, [list(ids)])
    return {record_id: values for record_id, *values in cr.fetchall()}


def _has_file(model, field):
    """Return the SQL expression that tells whether a binary field holds something."""
    if field.column_type:
        return SQL("%s IS NOT NULL", SQL.identifier("t", field.name))
    return SQL(
        "EXISTS(SELECT FROM ir_attachment a WHERE a.res_id = t.id AND a.res_model = %s"
        " AND a.res_field = %s)",
        SQL(f"'{model._name}'"),  # names of models and fields hold no quotes
        SQL(f"'{field.name}'"),
    )
