"""What names one record in the events of other records, and how it is blanked there.

A many2one value that points at the record names it, and so does any value that holds one of its
texts, such as its name or e-mail address. Only these values are blanked: the others are needed, and
say nothing about it.
"""

import html
import re
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import NamedTuple


class Hit(NamedTuple):
    """A value that names the record, or that holds its id."""

    #: ``link``: points at it and tells its name; ``text``: holds a text; ``failure``, ``answer``: a
    #: receiver's failure or an endpoint's answer holds one; ``listed``: a list of ids holds its id.
    #: An id alone names nobody, so such a list is left as it is.
    kind: str
    #: name of the field; empty for a failure or an answer
    field: str = ""
    #: what was found, as it stands there
    text: str = ""


class Naming:
    """Finds and blanks what names one record.

    :param list texts: the texts that name the record, without regard to case
    """

    def __init__(self, env, model, record_id, texts):
        self._env = env
        self.model = model
        self.record_id = record_id
        self._fields = {}
        plain = {form for text in texts for form in (text, html.escape(text, quote=False))}
        # JSON that stands in a text, such as an endpoint's answer, may escape characters.
        written = {
            encode(form)[1:-1]
            for form in plain
            for encode in (encode_basestring, encode_basestring_ascii)
        }
        #: the texts, and as JSON and HTML may write them
        self.forms = sorted(plain | written)
        # "Ann" is not in "Annual". In an answer an escape such as \n may precede a word.
        self._in_values = plain and re.compile(rf"(?<!\w)(?:{_any_of(plain)})(?!\w)", re.IGNORECASE)
        self._in_answers = plain and re.compile(_any_of(self.forms), re.IGNORECASE)

    def fields(self, model_name):
        """Return ``(names of many2one fields, names of x2many fields)`` that lead to the model."""
        if model_name not in self._fields:
            fields = self._env[model_name]._fields.values() if model_name in self._env else ()
            leading = [f for f in fields if f.store and f.comodel_name == self.model]
            self._fields[model_name] = (
                frozenset(f.name for f in leading if f.type == "many2one"),
                frozenset(f.name for f in leading if f.type in ("many2many", "one2many")),
            )
        return self._fields[model_name]

    @property
    def link(self):
        """How JSON text of a many2one begins that points at the id, in a field of any model."""
        return f'{{"id":{self.record_id},"name":"'

    def patterns(self, model_name, listed):
        """Return regular expressions for JSON text of a model's values that hold the record's id.

        :param bool listed: also if only a list of ids holds it
        :return: ``(pattern of links, pattern of lists)``; each may be None
        """
        links, lists = self.fields(model_name)
        return (
            rf'"(?:{_any_of(links)})":{re.escape(self.link)}' if links else None,
            rf'"(?:{_any_of(lists)})":\[(?:[0-9]+,)*{self.record_id}[],]'
            if listed and lists
            else None,
        )

    def text_in_answers(self, *answers):
        """Return the first of the record's texts in errors or answers; None if none is in them."""
        for answer in filter(None, answers if self._in_answers else ()):
            if found := self._in_answers.search(answer):
                return found.group()
        return None

    def blank(self, model_name, values):
        """Return ``(the values without what names the record, list of Hit)``.

        A many2one keeps its id, because the record still points there; its name becomes null. Any
        other value becomes null as a whole: what stands around a name is about the same person.

        :param dict values: a payload or old values
        """
        blanked, hits = dict(values), []
        for name, value in values.items():
            if name != "_metadata" and (hit := self._hit(model_name, name, value)):
                hits.append(hit)
                if hit.kind != "listed":
                    blanked[name] = {**value, "name": None} if _is_link(value) else None
        return blanked, hits

    def _hit(self, model_name, name, value):
        links, lists = self.fields(model_name)
        if _is_link(value):
            if name in links and value["id"] == self.record_id:
                return Hit("link", name) if value["name"] is not None else None
            value = value["name"]
        if name in lists and isinstance(value, list) and self.record_id in value:
            return Hit("listed", name)
        text = self._text_in(value)
        return Hit("text", name, text) if text else None

    def _text_in(self, value):
        """Return the first of the record's texts in a value; None if none is in it."""
        if isinstance(value, str):
            found = self._in_values and self._in_values.search(value)
            return found.group() if found else None
        if isinstance(value, (list, dict)):  # such as properties
            inner = value.values() if isinstance(value, dict) else value
            return next(filter(None, map(self._text_in, inner)), None)
        return None


def with_erased_fields(payload, names):
    """Return a payload whose ``_metadata`` names these fields, besides those blanked before."""
    metadata = payload.get("_metadata") or {}
    names = sorted({*names, *metadata.get("erased_fields", ())})
    return {**payload, "_metadata": {**metadata, "erased_fields": names}}


def _is_link(value):
    return isinstance(value, dict) and value.keys() == {"id", "name"}


def _any_of(texts):
    return "|".join(map(re.escape, sorted(texts, key=lambda text: (-len(text), text))))
