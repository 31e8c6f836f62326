"""Tells which records and fields a user may read in Odoo now."""

from odoo import api
from odoo.exceptions import AccessError
from odoo.models import BaseModel


class Readable:
    """The rights of a user, with all companies of the user.

    Answers hold for the snapshot of the user's cursor.
    """

    def __init__(self, user):
        companies = user.sudo().company_id | user.sudo().company_ids
        #: The context holds nothing else: a caller could widen or narrow a search with it.
        context = {"active_test": False, "allowed_company_ids": companies.ids}
        self._env = api.Environment(user.env.cr, user.id, context)
        self._company_ids = frozenset(companies.ids)

    def ids(self, model_name, ids):
        """Return those of these ids whose records exist, and may be read.

        One search, unless the model has access checks of its own in Python.
        """
        model = self._env[model_name]
        # Some models let everybody search, and find what only few may read (hr.employee).
        if not ids or not model.has_access("read"):
            return frozenset()
        try:
            found = model._search([("id", "in", list(ids))]).get_result_ids()
        except AccessError:
            return frozenset()
        if type(model)._check_access is not BaseModel._check_access:
            found = model.browse(found)._filtered_access("read").ids
        return frozenset(found)

    def shows(self, field, company_id):
        """Return whether the user may read a field of the records that may be read.

        Says nothing of the records that the field points at. Odoo shows the name of a record that a
        many2one field points at to everybody who may read the field.

        :param company_id: the company through which the value is seen, which matters for
            company-dependent fields
        """
        if not self._env[field.model_name]._has_field_access(field, "read"):
            return False
        return not field.company_dependent or company_id in self._company_ids
