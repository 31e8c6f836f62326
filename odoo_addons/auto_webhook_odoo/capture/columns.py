"""Reads the values of many records as the database holds them.

It uses SQL and not the ORM. When a pre-image is needed, the ORM's cache already holds the new
values. And an event compares all languages of a translated value, and all companies of a
company-dependent value.
"""

from odoo.tools import SQL


def column_sql(model, field, alias="t"):
    """Return the SQL expression for a field, or None if the field is not stored.

    Values that the ORM does not tell apart (NULL and 0, NULL and False) become equal, so that they
    never count as a change. Dates come as text: PostgreSQL has dates that Python has not.

    :param alias: the name of the model's table in the query
    """
    if not field.store:
        return None
    if field.type == "many2many":
        return SQL(
            "ARRAY(SELECT r.%(other)s FROM %(relation)s r WHERE r.%(own)s = %(id)s ORDER BY 1)",
            id=SQL.identifier(alias, "id"),
            own=SQL.identifier(field.column1),
            other=SQL.identifier(field.column2),
            relation=SQL.identifier(field.relation),
        )
    if field.type == "one2many":
        inverse = model.env[field.comodel_name]._fields.get(field.inverse_name)
        if inverse is None or inverse.type != "many2one" or not inverse.column_type:
            return None
        return SQL(
            "ARRAY(SELECT r.id FROM %(table)s r WHERE r.%(inverse)s = %(id)s ORDER BY 1)",
            id=SQL.identifier(alias, "id"),
            table=SQL.identifier(model.env[field.comodel_name]._table),
            inverse=SQL.identifier(inverse.name),
        )
    if field.type == "binary":
        return _has_file(model, field, alias)
    if not field.column_type:
        return None
    column = SQL.identifier(alias, field.name)
    if field.company_dependent or field.translate:
        return column  # jsonb, with all languages or companies
    if field.type == "boolean":
        return SQL("coalesce(%s, false)", column)
    if field.type in ("integer", "float", "monetary"):
        return SQL("coalesce(%s, 0)", column)
    if field.type in ("date", "datetime"):
        return SQL("%s::text", column)
    return column


def stored_path(model, path):
    """Return a path with the stored fields that lead to its value, or None if there are none.

    :param path: a field of the model, or many2one fields and a field of the last one's model,
        joined by dots. A related field that is not stored becomes the path that it stands for
    """
    name, _dot, rest = path.partition(".")
    field = model._fields.get(name)
    if field is None:
        return None
    if not field.store:
        related = field.related and f"{field.related}.{rest}".rstrip(".")
        return stored_path(model, related) if related else None
    if not rest:
        return name
    if field.type != "many2one" or not field.column_type or field.company_dependent:
        return None
    rest = stored_path(model.env[field.comodel_name], rest)
    return rest and f"{name}.{rest}"


def path_sql(model, path, alias="t"):
    """Return the SQL expression for the value at the end of a path, or None if it is not stored."""
    path = stored_path(model, path)
    if path is None:
        return None
    name, _dot, rest = path.partition(".")
    field = model._fields[name]
    if not rest:
        return column_sql(model, field, alias)
    other, inner = model.env[field.comodel_name], f"{alias}t"
    value = path_sql(other, rest, inner)
    if value is None:
        return None
    return SQL(
        "(SELECT %s FROM %s %s WHERE %s = %s)",
        *(value, SQL.identifier(other._table), SQL.identifier(inner)),
        *(SQL.identifier(inner, "id"), SQL.identifier(alias, name)),
    )


def select_by_ids(model, names):
    """Return the query for ``read_rows``: the id, then the values in the order of ``names``.

    :param names: fields or paths that ``path_sql`` knows
    """
    columns = [SQL.identifier("t", "id"), *(path_sql(model, name) for name in names)]
    table = SQL.identifier(model._table)
    selected = SQL("SELECT %s FROM %s t", SQL(", ").join(columns), table)
    return f"{selected.code} WHERE t.id = ANY(%s)"


def read_rows(cr, query, ids):
    """Return ``{id: values}`` of the existing records; values are lists in the query's order."""
    if not ids:
        return {}
    cr.execute(query, [list(ids)])
    return {record_id: values for record_id, *values in cr.fetchall()}


def _has_file(model, field, alias):
    """Return the SQL expression that tells whether a binary field holds something."""
    if field.column_type:
        return SQL("%s IS NOT NULL", SQL.identifier(alias, field.name))
    return SQL(
        "EXISTS(SELECT FROM ir_attachment a WHERE a.res_id = %s AND a.res_model = %s"
        " AND a.res_field = %s)",
        SQL.identifier(alias, "id"),
        SQL(f"'{model._name}'"),  # names of models and fields hold no quotes
        SQL(f"'{field.name}'"),
    )
