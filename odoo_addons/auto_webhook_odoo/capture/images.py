"""Images: the values of many records as the database holds them, read in bulk.

Read with SQL, not through the ORM: when a pre-image is needed the ORM's cache already holds the
new values, and a translated or company-dependent value has to be seen in all its variants.
"""

import collections

from odoo.tools import SQL

from ..wire.values import comparable


def read_images(model, ids, names):
    """Return ``{id: {field name: value}}`` for the records that exist.

    One query for all columns and one for each many2many field, however many records there are.
    """
    if not ids:
        return {}
    fields = [model._fields[name] for name in names]
    columns = [field for field in fields if field.column_type]
    selected = SQL(", ").join(SQL.identifier(name) for name in ("id", *(f.name for f in columns)))
    model.env.cr.execute(
        SQL(
            "SELECT %s FROM %s WHERE id = ANY(%s)",
            selected,
            SQL.identifier(model._table),
            list(ids),
        )
    )
    images = {
        row[0]: {
            field.name: comparable(field.type, value)
            for field, value in zip(columns, row[1:], strict=True)
        }
        for row in model.env.cr.fetchall()
    }
    for field in fields:
        if field.type == "many2many":
            links = read_links(model, list(images), field)
            for record_id, image in images.items():
                image[field.name] = links.get(record_id, [])
    return images


def read_links(model, ids, field):
    """Return ``{id: sorted list of linked ids}`` of a many2many field; no entry means none."""
    if not ids:
        return {}
    model.env.cr.execute(
        SQL(
            "SELECT %(own)s, array_agg(%(other)s ORDER BY %(other)s) FROM %(relation)s"
            " WHERE %(own)s = ANY(%(ids)s) GROUP BY 1",
            own=SQL.identifier(field.column1),
            other=SQL.identifier(field.column2),
            relation=SQL.identifier(field.relation),
            ids=list(ids),
        )
    )
    return dict(model.env.cr.fetchall())


def company_of(model, image):
    """Return the id of the company that a record belongs to, or None."""
    field = model._fields.get("company_id")
    if field is None or field.comodel_name != "res.company":
        return None
    return image.get("company_id")


def render(model, images, company_ids):
    """Turn images into payload values: one language, one company, names of many2one records.

    :param list images: dictionaries ``{field name: value}``, all or some fields of a record
    :param list company_ids: for each image, the company through which it is seen, or None for
        the main company
    :return: new dictionaries in the same order
    """
    main = model.env["res.company"]._get_main_company()
    seen = [
        {
            name: _seen_by(model, model._fields[name], value, main.browse(company_id) or main)
            for name, value in image.items()
        }
        for image, company_id in zip(images, company_ids, strict=True)
    ]
    names = _many2one_names(model, seen)
    return [
        {name: _named(model._fields[name], value, names) for name, value in image.items()}
        for image in seen
    ]


def _seen_by(model, field, value, company):
    """Choose the variant of a translated or company-dependent value."""
    if field.company_dependent:
        if isinstance(value, dict) and str(company.id) in value:
            return comparable(field.type, value[str(company.id)])
        fallback = field.get_company_dependent_fallback(model.with_company(company))
        return comparable(field.type, (fallback.id if field.relational else fallback) or None)
    if field.translate and isinstance(value, dict):
        return value.get(company.partner_id.lang, value.get("en_US"))
    return value


def _many2one_names(model, images):
    """Return ``{comodel: {id: display name}}``, read in one batch for each comodel."""
    wanted = collections.defaultdict(set)
    for image in images:
        for name, value in image.items():
            field = model._fields[name]
            if field.type == "many2one" and value:
                wanted[field.comodel_name].add(value)
    names = {}
    for comodel, ids in wanted.items():
        # exists(): the pre-image of a deleted record may point at one that went with it
        records = model.env[comodel].browse(sorted(ids)).exists()
        names[comodel] = {record.id: record.display_name for record in records}
    return names


def _named(field, value, names):
    if field.type == "many2one" and value:
        return {"id": value, "name": names[field.comodel_name].get(value)}
    return value
