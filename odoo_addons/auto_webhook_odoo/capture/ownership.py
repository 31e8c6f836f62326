"""Tells which companies may see a record, as Odoo's own record rules do.

A global record rule compares a field with the user's companies: ``company_id``, ``company_ids`` of
an account, ``id`` of a company itself, or a path such as ``config_id.company_id`` of a session of
the point of sale. The value of that field decides who is shown the record's events.
"""

import dataclasses
import logging

from odoo.fields import Domain
from odoo.orm.utils import COLLECTION_TYPES
from odoo.tools import SQL
from odoo.tools.safe_eval import safe_eval

from ..wire.visibility import ALL_COMPANIES
from .columns import path_sql, stored_path

_logger = logging.getLogger(__name__)

EVERYBODY = frozenset({ALL_COMPANIES})

#: Models without a rule belong to the first of these fields that they have.
_USUAL_FIELDS = ("company_ids", "company_id")

#: Stands for the companies of a user in a rule. It must not be empty: rules allow that, too.
_NO_COMPANY = -1

_COMPARISONS = frozenset({"in", "=", "parent_of", "child_of"})


@dataclasses.dataclass(frozen=True)
class Owner:
    """The value of a record that names the companies that may see the record."""

    #: a field of the record that holds this value, or the path to it
    name: str
    #: the stored fields that lead to it, see ``columns.stored_path``
    path: str
    #: whether the branches of these companies may see the record, too
    to_branches: bool
    #: whether everybody may see a record that names no company; otherwise nobody may
    shared: bool
    #: whether the value is no company, but the record that names one: nobody may see a record
    #: without it
    is_link: bool = False

    def companies(self, value, branches):
        """Return the ids of the companies that may see a record, or ``EVERYBODY``.

        :param value: what the path holds: an id, ids, or None
        :param dict branches: ``{company: the branches below it}``
        """
        ids = frozenset(value if isinstance(value, tuple) else filter(None, [value]))
        if self.is_link and ids:
            return EVERYBODY
        if not ids:
            return EVERYBODY if self.shared else ids
        return ids.union(*(branches.get(i, ()) for i in ids)) if self.to_branches else ids


def find_owners(model):
    """Return the owners of a model's records. A company sees a record if all of them name it.

    So nobody sees more than the rules let them see. If a rule lets somebody see a record for
    another reason, for instance because it is the contact of a colleague, this is not enough here.
    """
    found = {}
    for rule in _rules(model):
        for owner in _owners_in(rule, model):
            known = found.get(owner.path, owner)
            found[owner.path] = dataclasses.replace(
                owner,
                to_branches=owner.to_branches and known.to_branches,
                shared=owner.shared and known.shared,
            )
    if found:
        return tuple(found.values())
    for name in ("id", *_USUAL_FIELDS):
        if leads_to_companies(model, name) and path_sql(model, name):
            return (Owner(name, stored_path(model, name), to_branches=False, shared=True),)
    return ()


def leads_to_companies(model, path):
    """Return whether a path of fields ends at companies."""
    name, _dot, rest = path.partition(".")
    field = model._fields.get(name)
    if field is None:
        return False
    if rest:
        return field.relational and leads_to_companies(model.env[field.comodel_name], rest)
    if name == "id":
        return model._name == "res.company"
    return field.type in ("many2one", "many2many") and field.comodel_name == "res.company"


class Audience:
    """Computes which companies see the records of one model.

    :param dict branches: ``{company: the branches below it}``
    """

    def __init__(self, tracking, branches):
        self._owners = [(owner, tracking.position[owner.name]) for owner in tracking.owners]
        self._branches = branches

    def of(self, changes, before=False):
        """Return the companies that see each record: ids, or ``EVERYBODY``.

        Most records of a transaction belong to the same company, so the same values are looked at
        once.

        :param changes: ``events.NetChange`` objects that concern the same fields
        :param before: return who saw the records before the changes
        """
        if not self._owners:
            return [EVERYBODY] * len(changes)
        columns = [self._column(changes, *owner, before) for owner in self._owners]
        keys = list(zip(*columns, strict=True))
        known = {key: self._companies(key) for key in set(keys)}
        return [known[key] for key in keys]

    @staticmethod
    def _column(changes, owner, position, before):
        """Return what an owner holds in each record, in a form that can be hashed."""
        if before and owner.name in changes[0].old:
            values = [change.old[owner.name] for change in changes]
        else:
            values = [change.row[position] for change in changes]
        if any(isinstance(value, list) for value in values):
            values = [tuple(value or ()) for value in values]
        return values

    def _companies(self, values):
        named = [
            owner.companies(value, self._branches)
            for (owner, _position), value in zip(self._owners, values, strict=True)
        ]
        limited = [companies for companies in named if companies != EVERYBODY]
        return frozenset.intersection(*limited) if limited else EVERYBODY


def is_told_by(company_id, seen):
    """Return whether the company of an event alone tells who sees the event.

    :param company_id: None for everybody
    :param seen: the companies that see it, as ``Audience.of`` returns them
    """
    return seen == ({company_id} if company_id else EVERYBODY)


def lost(before, now):
    """Return the companies that see a record no more: ids, ``EVERYBODY``, or None if all still do.

    :param before: the companies that saw it, as ``Audience.of`` returns them
    :param now: the companies that see it now
    """
    if now == EVERYBODY or before == now:
        return None
    return before - now or None


def _owners_in(rule, model):
    """Return the owners that one rule names. Several conditions about one are alternatives."""
    conditions = [(condition, path.removesuffix(".id")) for condition, path in _flat(rule)]
    optional = tuple(path for condition, path in conditions if _matches_none(condition))
    found = {}
    for condition, path in conditions:
        if condition.operator not in _COMPARISONS or not leads_to_companies(model, path):
            continue
        if not path_sql(model, path):
            _logger.warning("a rule about companies is not followed: %s.%s", model._name, path)
            continue
        known = found.get(path)
        owner = found[path] = Owner(
            name=_name(model, path),
            path=stored_path(model, path),
            to_branches=condition.operator == "parent_of" or bool(known and known.to_branches),
            shared=any(path == name or path.startswith(f"{name}.") for name in optional),
        )
        link = path.rpartition(".")[0]
        if owner.shared and not _is_required(model, link) and link not in optional:
            found[link] = Owner(link, stored_path(model, link), False, shared=False, is_link=True)
    return found.values()


def _is_required(model, path):
    """Return whether each record has a value at the end of a path of many2one fields."""
    for name in filter(None, path.split(".")):
        if not model._fields[name].required:
            return False
        model = model.env[model._fields[name].comodel_name]
    return True


def _rules(model):
    """Yield the domains of the global rules for reading the model, and the models it inherits."""
    for parent, field_name in model._inherits.items():
        if model._fields[field_name].store:
            for domain in _rules(model.env[parent]):
                yield Domain(field_name, "any", domain)
    # SQL, as in Odoo's ``_get_rules``: the ORM would take longer than all the rest
    rows = model.env.execute_query(
        SQL(
            "SELECT rule.id, rule.domain_force FROM ir_rule rule"
            " JOIN ir_model model ON model.id = rule.model_id"
            " WHERE model.model = %s AND rule.active AND rule.global AND rule.perm_read"
            " ORDER BY rule.id",
            model._name,
        )
    )
    context = model.env["ir.rule"].sudo()._eval_context() if rows else {}
    context.update(company_ids=[_NO_COMPANY], company_id=_NO_COMPANY)
    for rule_id, domain in rows:
        try:
            yield Domain(safe_eval(domain or "[]", context))
        except Exception:  # of a module that is being updated, or that Odoo cannot evaluate either
            _logger.warning("a record rule cannot be evaluated rule=%s", rule_id, exc_info=True)


def _flat(domain, prefix=""):
    """Yield all conditions within a domain, with their full paths."""
    for condition in domain.iter_conditions():
        path = f"{prefix}{condition.field_expr}"
        if condition.operator in ("any", "any!") and isinstance(condition.value, Domain):
            yield from _flat(condition.value, f"{path}.")
        else:
            yield condition, path


def _matches_none(condition):
    """Return whether a condition is met if there is no company."""
    value = condition.value
    return False in (value if isinstance(value, COLLECTION_TYPES) else [value])


def _name(model, path):
    """Return the field ``company_id`` if it holds the value at the end of a path, else the path."""
    path, usual = stored_path(model, path), "company_id"
    return usual if leads_to_companies(model, usual) and stored_path(model, usual) == path else path
