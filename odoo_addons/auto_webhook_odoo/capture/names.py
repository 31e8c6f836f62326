"""Reads the names of the records that many2one fields point at."""

from odoo.tools import SQL, Query


def read_names(env, wanted, lang):
    """Return ``{comodel: {id: name}}``. A record that was deleted has no name.

    One query reads the names for all comodels. The name is the field that ``_rec_name`` declares,
    and not the display name. Any addon may compute the display name from anything, so reading it
    would run foreign code and many queries in every transaction.

    :param dict wanted: ``{comodel: set of ids}``
    :param lang: language of translated names
    """
    queries, parameters, names = [], [], {comodel: {} for comodel in wanted}
    for comodel, ids in wanted.items():
        if not ids:
            continue
        model = env[comodel]
        if query := model._webhook_name_query(lang):
            code, values = query
            queries.append(code)
            parameters += [*values, list(ids)]
        elif model._rec_name:
            records = model.with_context(lang=lang).browse(ids).exists()
            names[comodel] = {r.id: r[model._rec_name] or None for r in records}
    if queries:
        env.cr.execute(" UNION ALL ".join(queries), parameters)
        for comodel, record_id, name in env.cr.fetchall():
            names[comodel][record_id] = name
    return names


def name_query(model, lang):
    """Return ``(SQL, parameters)`` that selects model, id and name, or None if that is impossible.

    It is impossible if the name has no column. The caller adds the last parameter, the list of ids.
    """
    name = model._webhook_name_field or model._rec_name
    if not name:
        return None
    model = model.sudo().with_context(lang=lang)
    query = Query(model.env, "n", model._table_sql)
    try:
        expression = model._field_to_sql("n", name, query)
    except ValueError:  # it has no column
        return None
    query.add_where(SQL("n.id = ANY(%s)", []))
    selected = query.select(SQL("%s", model._name), SQL("n.id"), SQL("%s::text", expression))
    return selected.code, selected.params[:-1]
