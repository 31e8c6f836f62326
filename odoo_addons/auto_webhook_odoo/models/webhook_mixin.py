from odoo import api, models

from ..capture.tracking import make_tracking


class WebhookMixin(models.AbstractModel):
    """Inherit this, and the changes of your model are recorded without any configuration::

        class Shipment(models.Model):
            _name = "my.shipment"
            _inherit = ["webhook.mixin"]
            _webhook_priority = "high"
            _webhook_instant_send = True

    The attributes are defaults. A ``webhook.config`` for the model replaces them, and an archived
    one switches the recording off.
    """

    _name = "webhook.mixin"
    _description = "Recorded by Webhooks"

    #: the changes that become events: create, write, unlink
    _webhook_events = ("create", "write", "unlink")
    #: high, medium or low
    _webhook_priority = "medium"
    #: push the events right after the commit; needs high priority
    _webhook_instant_send = False
    #: business, system, notification or custom
    _webhook_category = "business"
    #: fields in the payload; empty: all stored fields except files, lists of lines, and fields that
    #: may hold secrets
    _webhook_payload_fields = ()
    #: send the old values of changed fields, too
    _webhook_include_old_values = True

    @api.model
    def _webhook_declared_tracking(self):
        """Return the ``Tracking`` that the class attributes declare."""
        return make_tracking(
            self,
            events=frozenset(self._webhook_events),
            priority=self._webhook_priority,
            category=self._webhook_category,
            instant_send=self._webhook_instant_send,
            include_old_values=self._webhook_include_old_values,
            payload_fields=sorted(self._webhook_payload_fields),
        )
