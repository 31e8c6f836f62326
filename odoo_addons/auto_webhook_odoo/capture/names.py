"""The names of the records that many2one fields point at."""

from odoo.tools import SQL, Query


def read_names(env, wanted, lang):
    """Return ``{comodel: {id: name}}``; a record that is gone has none.

    One query for all comodels. The name is the one that Odoo's ``_rec_name`` declares, and not the
    display name, which any addon may compute from anything: reading it would run foreign code,
    and many queries, within every transaction.

    :param dict wanted: ``{comodel: set of ids}``
    :param lang: language of translated names
    """
    queries, names = [], {comodel: {} for comodel in wanted}
    for comodel, ids in wanted.items():
        model = env[comodel].with_context(lang=lang)
        name = model._webhook_name_field or model._rec_name
        if not ids or not name:
            continue
        query = Query(env, "n", model._table_sql)
        try:
            expression = model._field_to_sql("n", name, query)
        except ValueError:  # computed, so there is no column
            records = model.browse(ids).exists()
            names[comodel] = {record.id: record[name] or None for record in records}
            continue
        query.add_where(SQL("n.id = ANY(%s)", sorted(ids)))
        queries.append(query.select(SQL("%s", comodel), SQL("n.id"), SQL("%s::text", expression)))
    if queries:
        env.cr.execute(SQL(" UNION ALL ").join(queries))
        for comodel, record_id, name in env.cr.fetchall():
            names[comodel][record_id] = name
    return names
