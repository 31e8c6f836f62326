import collections
import dataclasses

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import UserError

from ..capture.naming import Naming
from ..models import update_webhook_erasure

#: Fields whose texts name a person or a company.
_NAMES = (
    *("name", "complete_name", "legal_name", "contact_name", "partner_name", "login"),
    *("email", "email_normalized", "email_from", "work_email", "private_email"),
    *("phone", "phone_sanitized", "mobile", "mobile_phone", "work_phone", "private_phone"),
)

_SHORTEST = 5  # characters; shorter texts stand in too many values of others

_MOST_NAMED = 3  # records that a finding names


class WebhookErasure(models.TransientModel):
    """Erases the personal data of one record: in its own events, and in those that name it.

    All values in its own events are erased. In the events of other records, such as the orders of a
    contact, only the values that name it are. Receivers are told by events to do the same.
    """

    _name = "webhook.erasure"
    _description = "Erase Personal Data in Events"

    model_id = fields.Many2one("ir.model", required=True, ondelete="cascade")
    model_name = fields.Char(related="model_id.model", string="Technical Name")
    record_id = fields.Many2oneReference(
        model_field="model_name", required=True, help="Whose data are erased."
    )
    record_name = fields.Char(string="Name of the Record", compute="_compute_record_name")
    events = fields.Integer(
        string="Events of This Record",
        compute="_compute_events",
        help="All values in these events are erased.",
    )
    text_ids = fields.One2many(
        "webhook.erasure.text",
        "erasure_id",
        string="Texts",
        help="Texts that name the record, such as its name and e-mail address, also earlier ones. "
        "They are looked for in the events of other records. Case does not matter.",
    )
    finding_ids = fields.One2many("webhook.erasure.finding", "erasure_id", readonly=True)
    is_searched = fields.Boolean(readonly=True)
    is_named = fields.Boolean(readonly=True, help="There is something to erase in other events.")
    is_cut = fields.Boolean(readonly=True, help="The search found as many events as it may.")

    @api.depends("model_id", "record_id")
    def _compute_record_name(self):
        for wizard in self:
            names = _names(self.env, wizard.model_name, [wizard.record_id])
            wizard.record_name = names[0] if wizard.record_id else False

    @api.depends("model_id", "record_id")
    def _compute_events(self):
        for wizard in self:
            wizard.events = wizard._events().search_count(
                [("model", "=", wizard.model_name), ("record_id", "=", wizard.record_id)]
            )

    @api.model_create_multi
    def create(self, vals_list):
        """Open dialogues, and propose the texts to look for."""
        wizards = super().create(vals_list)
        for wizard in wizards.filtered(lambda wizard: not wizard.text_ids):
            wizard.text_ids = [
                fields.Command.create({"text": text}) for text in wizard._proposed_texts()
            ]
        return wizards

    def action_search(self):
        """Find the events of other records that name this one, and show them."""
        self.ensure_one()
        self.check_access("write")
        naming, events = self._naming(), self._events()
        event_ids = events._find_naming(naming, listed=True)
        summaries = collections.defaultdict(_Summary)
        for row, _values, hits in events._examine(event_ids, naming):
            for hit in hits:
                summaries[row.model, hit.kind].add(row, hit)
        self.write(
            {
                "is_searched": True,
                "is_cut": len(event_ids) == update_webhook_erasure.MOST_FOUND,
                "is_named": any(kind != "listed" for _model, kind in summaries),
                "finding_ids": [
                    fields.Command.clear(),
                    *(
                        fields.Command.create(self._finding(model, kind, summary))
                        for (model, kind), summary in sorted(summaries.items())
                    ),
                ],
            }
        )
        return self._reopened()

    def action_erase(self):
        """Erase all values in the events of the record.

        All who have seen an event of the record see this one, too.

        :raises UserError: if no event of this record was ever recorded
        """
        self.ensure_one()
        self.check_access("write")
        if not self.events:
            raise UserError(self.env._("No event of this record has been recorded."))
        number, errors = self._events()._erase(self.model_name, self.record_id)
        return self._done(number, errors)

    def action_erase_everywhere(self):
        """Erase all values in the events of the record, and what names it in the other events."""
        self.ensure_one()
        self.check_access("write")
        events, naming = self._events(), self._naming()
        named, errors = events._erase_names(events._find_naming(naming), naming)
        number, own_errors = events._erase(self.model_name, self.record_id)
        return self._done(number + named, errors | own_errors)

    def _done(self, number, errors):
        """Erase what is left elsewhere, close the dialogue, and say in how many events it was."""
        naming, env = self._naming(), self.env(user=SUPERUSER_ID)
        env["webhook.subscriber"]._erase_quotes(errors, naming)
        env["webhook.snapshot"]._erase_failures(naming)
        env["webhook.replay"]._erase_failures(naming)
        env["webhook.sample"].search(
            [("config_id.model_id", "=", self.model_id.id), ("record_id", "=", self.record_id)]
        ).unlink()
        self.text_ids.unlink()
        self.finding_ids.unlink()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._("Personal data in %s events have been erased.", number),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    def _reopened(self):
        """Return the action that shows this dialogue."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "auto_webhook_odoo.webhook_erasure_action"
        )
        return {**action, "res_id": self.id}

    def _events(self):
        """Return the event model with access to the events of all companies."""
        return self.env["update.webhook"].with_user(SUPERUSER_ID)

    def _naming(self):
        texts = self.text_ids.mapped("text")
        return Naming(self.env, self.model_name, self.record_id, texts)

    def _proposed_texts(self):
        """Return the names and addresses that stand in the record and in its events."""
        record = self.env[self.model_name].sudo().browse(self.record_id).exists()
        names = dict.fromkeys((*_NAMES, record._rec_name))
        names = [n for n in names if n in record._fields and record._fields[n].type == "char"]
        self.env.cr.execute(
            """
            SELECT DISTINCT given.values::json ->> name
              FROM update_webhook, unnest(ARRAY[payload, old_values]) AS given(values),
                   unnest(%s::text[]) AS name
             WHERE model = %s AND record_id = %s
               AND json_typeof(given.values::json -> name) = 'string'
            """,
            [names, self.model_name, self.record_id],
        )
        told = sorted(text for (text,) in self.env.cr.fetchall())
        texts = dict.fromkeys((*(record[name] for name in names), *told))
        return [text for text in texts if text and len(text.strip()) >= _SHORTEST]

    def _finding(self, model, kind, summary):
        """Return the values of a finding."""
        label = self.env["ir.model"]._get(model).name or model
        details = ", ".join(summary.details(self.env, model))
        reasons = {
            "link": self.env._("Points at it: %s", details),
            "text": self.env._("Holds a text: %s", details),
            "failure": self.env._("A receiver's failure holds a text: %s", details),
            "answer": self.env._("An endpoint's answer holds a text: %s", details),
            "listed": self.env._("Lists its ID, which stays: %s", details),
        }
        names = _names(self.env, model, sorted(summary.record_ids)[-_MOST_NAMED:])
        more = len(summary.record_ids) - len(names)
        if more:
            names.append(self.env._("and %s more", more))
        return {
            "model": label,
            "events": summary.events,
            "records": ", ".join(names),
            "reason": reasons[kind],
        }


class WebhookErasureText(models.TransientModel):
    """A text that names the record whose data are erased."""

    _name = "webhook.erasure.text"
    _description = "Text That Names a Record"
    _rec_name = "text"

    erasure_id = fields.Many2one("webhook.erasure", required=True, ondelete="cascade")
    text = fields.Char(required=True)


class WebhookErasureFinding(models.TransientModel):
    """Events of a model that name the record, for one reason."""

    _name = "webhook.erasure.finding"
    _description = "Events That Name a Record"
    _rec_name = "model"

    erasure_id = fields.Many2one("webhook.erasure", required=True, ondelete="cascade")
    model = fields.Char(readonly=True)
    events = fields.Integer(readonly=True)
    records = fields.Char(readonly=True)
    reason = fields.Char(readonly=True)


@dataclasses.dataclass
class _Summary:
    """What is told about the events of one model that name the record for one reason."""

    event_ids: set = dataclasses.field(default_factory=set)
    record_ids: set = dataclasses.field(default_factory=set)
    #: ``{(field, text)}``; each is empty if it says nothing
    found: set = dataclasses.field(default_factory=set)

    def add(self, row, hit):
        self.event_ids.add(row.id)
        self.record_ids.add(row.record_id)
        self.found.add((hit.field, hit.text))

    @property
    def events(self):
        return len(self.event_ids)

    def details(self, env, model):
        """Return the fields and texts in words."""
        by_text = collections.defaultdict(set)
        for name, text in self.found:
            label = env["ir.model.fields"]._get(model, name).field_description or name
            by_text[text].add(label)
        for text, labels in sorted(by_text.items()):
            joined = ", ".join(sorted(filter(None, labels)))
            quoted = f"“{text}”"
            if text and joined:
                yield f"{quoted} ({joined})"
            else:
                yield joined or quoted


def _names(env, model, ids):
    """Return how users call these records. A record that they may not read has its id only."""
    readable = ()
    if model in env and env[model].has_access("read"):
        readable = env[model].with_context(active_test=False).search([("id", "in", ids)])
    known = {record.id: record.display_name for record in readable}
    return [known.get(id_) or env._("ID %s", id_) for id_ in ids]
