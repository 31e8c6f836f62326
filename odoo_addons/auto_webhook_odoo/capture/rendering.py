"""Turns rows of raw values into JSON text (docs/protocol.md says how values look).

Records that one transaction touches resemble each other: most columns hold the same value in all
rows. Such a column is serialised once, into a template. Only the other columns are serialised for
each row.
"""

import math
from json.encoder import encode_basestring

from ..wire.jsontext import dumps
from .companies import language


class Renderer:
    """Renders values of one model.

    :param dict names: ``{comodel: {id: name}}``, see ``capture.names``; the caller may fill it
        after ``pointed_at`` and before ``objects``
    :param main_company: the company through which records without a company are seen
    """

    def __init__(self, model, names, main_company):
        self._model = model
        self._names = names
        self._main = main_company
        self._languages = {}
        self._defaults = {}

    def pointed_at(self, fields, rows, company_ids):
        """Yield ``(comodel, ids)`` for the many2one fields of the rows."""
        for name, values in zip(fields, zip(*rows, strict=True), strict=True):
            field = self._model._fields[name]
            if field.type == "many2one":
                yield field.comodel_name, {*self._variants(field, values, company_ids)} - {None}

    def objects(self, fields, rows, company_ids):
        """Return ``(texts, omitted)``: for each row its JSON text, and the fields that became null.

        A field becomes null if JSON cannot express its value.

        :param list fields: names, in the order of the values in a row
        :param list company_ids: the company of each record, or None
        """
        omitted = [[] for _row in rows]
        template, varying = [], []
        for name, values in zip(fields, zip(*rows, strict=True), strict=True):
            field = self._model._fields[name]
            texts = self._texts(field, self._variants(field, values, company_ids), omitted)
            key = encode_basestring(name).replace("%", "%%")
            if len(texts) == 1:
                template.append(f"{key}:{texts[0].replace('%', '%%')}")
            else:
                template.append(f"{key}:%s")
                varying.append(texts)
        text = "{" + ",".join(template) + "}"
        if not varying:
            return [text % ()] * len(rows), omitted
        return [text % values for values in zip(*varying, strict=True)], omitted

    def _variants(self, field, values, company_ids):
        """Return the values as the companies see them; only one value if all are the same."""
        if _all_equal(values):
            if not (field.company_dependent or field.translate):
                return values[:1]
            if _all_equal(company_ids):
                return [self._seen_by(field, values[0], company_ids[0])]
        elif not (field.company_dependent or field.translate):
            return values
        return [self._seen_by(field, *pair) for pair in zip(values, company_ids, strict=True)]

    def _texts(self, field, values, omitted):
        """Return the JSON texts of values, and add the field to ``omitted`` where there is none."""
        encode = self._encoder(field)
        texts = []
        for index, value in enumerate(values):
            try:
                texts.append("null" if value is None else encode(value))
            except (TypeError, ValueError):
                texts.append("null")
                for names in omitted if len(values) == 1 else omitted[index : index + 1]:
                    names.append(field.name)
        return texts

    def _encoder(self, field):
        """Return the function that turns a value of the field into JSON text."""
        if field.type == "boolean":
            return lambda value: "true" if value else "false"
        if field.type in ("float", "monetary"):
            return _number
        if field.type == "many2one":
            names = self._names.get(field.comodel_name, {})
            return lambda value: f'{{"id":{value},"name":{_any(names.get(value))}}}'
        if field.type == "datetime":
            return lambda value: _date(value.replace(" ", "T", 1), "Z")
        if field.type == "date":
            return _date
        return _any

    def _seen_by(self, field, value, company_id):
        """Return the value of a translated or company-dependent field that a company sees."""
        company_id = company_id or self._main.id
        if field.company_dependent:
            if isinstance(value, dict) and str(company_id) in value:
                return value[str(company_id)]
            return self._default(field, company_id)
        if isinstance(value, dict):
            return value.get(self._language(company_id), value.get("en_US"))
        return value

    def _language(self, company_id):
        if company_id not in self._languages:
            self._languages[company_id] = language(self._main.browse(company_id))
        return self._languages[company_id]

    def _default(self, field, company_id):
        """Return the default of a company, which a company-dependent column does not store."""
        if company_id not in self._defaults:
            defaults = self._main.env["ir.default"].with_company(company_id)
            self._defaults[company_id] = defaults._get_model_defaults(self._model._name)
        value = self._defaults[company_id].get(field.name)
        if field.type == "boolean":
            return bool(value)
        if field.type in ("integer", "float", "monetary"):
            return value or 0
        return value or None


def _all_equal(values):
    return values.count(values[0]) == len(values)


def _any(value):
    return encode_basestring(value) if isinstance(value, str) else dumps(value)


def _number(value):
    if not math.isfinite(value):
        raise ValueError("JSON has no such number")
    return repr(value)


def _date(value, suffix=""):
    if not value[0].isdigit() or value.endswith("BC"):  # infinity, or before Christ
        raise ValueError("ISO 8601 has no such date")
    return f'"{value}{suffix}"'
