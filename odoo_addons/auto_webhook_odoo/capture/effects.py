"""Finds changes of recorded records that the ORM does not report as such.

A change of one model may change recorded records of another model:

- The links of a many2many field are changed from the other side, or through a model that has the
  same table.
- A line is added to a one2many field that is sent, or taken from it.
- A record that says which company a recorded record belongs to moves to another company.
- A record is deleted. The database then deletes records that depend on it, clears many2one columns
  that point at it, and removes its links.
"""

import collections
import dataclasses

from odoo.tools import SQL


@dataclasses.dataclass(frozen=True)
class Links:
    """The table of a recorded many2many field, seen from another model whose changes affect it.

    ``own`` is the column with the id of the recorded record. ``other`` is the column with the id of
    a record of the other model.
    """

    model: str
    field: str
    table: str
    own: str
    other: str


@dataclasses.dataclass(frozen=True)
class Reference:
    """A many2one column of ``model`` that points at the model in question."""

    model: str
    field: str
    ondelete: str
    company_dependent: bool


@dataclasses.dataclass(frozen=True)
class Owned:
    """Recorded records whose owner (see ``ownership.Owner``) is a field of another model.

    ``path`` leads from the recorded model to that other model.
    """

    model: str
    owner: str
    path: str


@dataclasses.dataclass
class Effects:
    """The effects that changes of one model have on recorded records of other models."""

    #: ``{many2many field of this model: Links}``: writing the field changes these links
    links: dict = dataclasses.field(default_factory=dict)
    #: ``{many2one column of this model: {(recorded model, its field)}}``: a row that points at a
    #: recorded record is part of the value of that field
    rows: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(set))
    #: ``{field of this model: {Owned}}``: the field says who sees records of other models
    owned: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(set))
    #: many2one columns that the deletion of a record clears, or whose records it deletes
    references: set = dataclasses.field(default_factory=set)
    #: links that the deletion of a record removes
    lost_links: set = dataclasses.field(default_factory=set)


def find_effects(env, tracking):
    """Return ``{model: Effects}`` for the models that have any.

    :param dict tracking: ``{model: Tracking}``
    """
    effects = collections.defaultdict(Effects)
    for name, tracked in tracking.items():
        for owner in tracked.owners:
            _find_owned(env, effects, name, owner)
        for field_name in tracked.compared.intersection(env[name]._fields):
            field = env[name]._fields[field_name]
            if field.type == "many2many":
                _find_links(env, effects, field)
            elif field.type == "one2many":
                effects[field.comodel_name].rows[field.inverse_name].add((name, field_name))
    _find_references(env, effects, tracking)
    return dict(effects)


def _find_owned(env, effects, model_name, owner):
    """Add the models with a field on the path from a recorded model to its companies."""
    model, names = env[model_name], owner.path.split(".")
    for place, name in enumerate(names):
        if place:
            path = ".".join(names[:place])
            effects[model._name].owned[name].add(Owned(model_name, owner.name, path))
        if place + 1 < len(names):
            model = env[model._fields[name].comodel_name]


def _find_links(env, effects, field):
    """Add the models from whose side the links of a recorded many2many field change."""
    links = Links(field.model_name, field.name, field.relation, field.column1, field.column2)
    effects[field.comodel_name].lost_links.add(links)
    reverse = (field.relation, field.column2, field.column1)
    for model_name, field_name in env.registry.many2many_relations[reverse]:
        effects[model_name].links[field_name] = links
    same = (field.relation, field.column1, field.column2)
    for model_name, field_name in env.registry.many2many_relations[same]:
        if (model_name, field_name) != (field.model_name, field.name):
            mirrored = dataclasses.replace(links, other=links.own)
            effects[model_name].links[field_name] = mirrored
    for model in env.values():
        if model._table == field.relation and not model._abstract:
            effects[model._name].rows[field.column1].add((field.model_name, field.name))


def _find_references(env, effects, tracking):
    """Add the references through which a deletion reaches a recorded record, over many steps."""
    pointing = collections.defaultdict(list)  # {model: references to its records}
    for model in env.values():
        if model._abstract or model._transient or not model._auto:
            continue
        for field in model._fields.values():
            if field.type == "many2one" and field.store and field.column_type:
                ondelete = "set null" if field.company_dependent else field.ondelete
                if ondelete in ("set null", "cascade"):
                    reference = Reference(
                        model._name, field.name, ondelete, bool(field.company_dependent)
                    )
                    pointing[field.comodel_name].append(reference)
    matters = {*tracking, *effects}
    waiting = list(matters)
    for target, references in pointing.items():
        for reference in references:
            tracked = tracking.get(reference.model)
            if reference.ondelete == "set null" and _matters(tracked, reference.field):
                effects[target].references.add(reference)
                if target not in matters:
                    matters.add(target)
                    waiting.append(target)
    # If the deletion of a record matters, so does each deletion that cascades to this record.
    cascading = collections.defaultdict(list)  # {model deleted by cascade: [(target, reference)]}
    for target, references in pointing.items():
        for reference in references:
            if reference.ondelete == "cascade":
                cascading[reference.model].append((target, reference))
    while waiting:
        for target, reference in cascading[waiting.pop()]:
            effects[target].references.add(reference)
            if target not in matters:
                matters.add(target)
                waiting.append(target)


def _matters(tracked, name):
    """Return whether a changed field may change a recorded record."""
    return tracked is not None and (name in tracked.compared or name in tracked.owners_by_field)


def owned(model, path, ids):
    """Return the ids of the records of ``model`` whose path leads to the given records."""
    query = model.sudo().with_context(active_test=False)._search([(path, "in", list(ids))])
    return _column(model.env.cr, query.select())


def linked(cr, links, ids):
    """Return the ids of the recorded records that are linked to the given records."""
    return _column(
        cr,
        SQL(
            "SELECT DISTINCT %s FROM %s WHERE %s = ANY(%s)",
            SQL.identifier(links.own),
            SQL.identifier(links.table),
            SQL.identifier(links.other),
            list(ids),
        ),
    )


def pointed_at(model, column, ids):
    """Return the ids that a many2one column of the given records holds in the database."""
    return _column(
        model.env.cr,
        SQL(
            "SELECT DISTINCT %(column)s FROM %(table)s"
            " WHERE id = ANY(%(ids)s) AND %(column)s IS NOT NULL",
            column=SQL.identifier(column),
            table=SQL.identifier(model._table),
            ids=list(ids),
        ),
    )


def pointing_at(model, reference, ids):
    """Return the ids of the records of ``model`` whose reference points at the given records."""
    column = SQL.identifier(reference.field)
    condition = SQL("%s = ANY(%s)", column, list(ids))
    if reference.company_dependent:  # jsonb: one value for each company
        condition = SQL(
            "EXISTS(SELECT FROM jsonb_each_text(%s) v WHERE v.value = ANY(%s))",
            column,
            [str(record_id) for record_id in ids],
        )
    return _column(
        model.env.cr,
        SQL("SELECT id FROM %s WHERE %s", SQL.identifier(model._table), condition),
    )


def commanded_ids(value):
    """Return the ids of existing records in a value that is written to a many2many field.

    The forms of such a value are those of ``_RelationalMulti.write_batch``
    (odoo/orm/fields_relational.py).
    """
    if not value:
        return set()
    if hasattr(value, "_ids"):
        return set(value._ids)
    if isinstance(value, tuple) or not isinstance(value[0], (tuple, list)):
        return set(value)
    ids = set()
    for command in value:
        if command[0] == 6:  # Command.SET
            ids.update(command[2] or ())
        elif command[0] in (3, 4):  # Command.UNLINK, Command.LINK
            ids.add(command[1])
    return ids


def _column(cr, query):
    """Return the values of the one column that a query selects."""
    cr.execute(query)
    return [value for (value,) in cr.fetchall()]
