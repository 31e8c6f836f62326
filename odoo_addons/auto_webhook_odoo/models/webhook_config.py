from ast import literal_eval

import psycopg2.errors

from odoo import api, fields, models, tools
from odoo.exceptions import ValidationError

from ..capture.columns import column_sql
from ..capture.effects import find_effects
from ..capture.tracking import make_tracking

#: Key in ``cr.postcommit.data``, present if this transaction has changed a configuration.
_OWN_CHANGES = "auto_webhook_odoo.config"
_NOTHING = (None, None)

PRIORITIES = [("high", "High"), ("medium", "Medium"), ("low", "Low")]
CATEGORIES = [
    ("business", "Business"),
    ("system", "System"),
    ("notification", "Notification"),
    ("custom", "Custom"),
]


class WebhookConfig(models.Model):
    """Which changes of a model are recorded, and how they are sent.

    Each process caches the configurations as ``Tracking`` and ``Effects`` of all models. A change
    of a configuration empties the caches of all processes; the registry is not rebuilt.
    """

    _name = "webhook.config"
    _description = "Webhook Configuration"
    _order = "model_name"
    _webhook_recordable = False

    name = fields.Char(
        compute="_compute_name", store=True, precompute=True, readonly=False, required=True
    )
    active = fields.Boolean(
        default=True,
        help="Archive to stop recording the changes of this model. Events that are already "
        "recorded stay.",
    )
    model_id = fields.Many2one(
        "ir.model",
        required=True,
        ondelete="cascade",
        domain=[("transient", "=", False), ("abstract", "=", False)],
        help="The kind of record whose changes are recorded.",
    )
    model_name = fields.Char(related="model_id.model", string="Technical Name", store=True)
    on_create = fields.Boolean(
        string="Created", default=True, help="Record when such a record is created."
    )
    on_write = fields.Boolean(
        string="Changed", default=True, help="Record when such a record is changed."
    )
    on_unlink = fields.Boolean(
        string="Deleted", default=True, help="Record when such a record is deleted."
    )
    priority = fields.Selection(
        PRIORITIES,
        default="medium",
        required=True,
        help="How important these changes are to the receivers. Only changes of high priority can "
        "be sent instantly.",
    )
    instant_send = fields.Boolean(
        help="Push these changes to the subscribers right after they are saved. All other "
        "changes wait until a receiver pulls them. Needs high priority.",
    )
    category = fields.Selection(
        CATEGORIES,
        default="business",
        required=True,
        help="Sent with every event, so that receivers can sort events by it.",
    )
    include_old_values = fields.Boolean(
        default=True, help="Send the old values of changed fields next to the new ones."
    )
    payload_field_ids = fields.Many2many(
        "ir.model.fields",
        "webhook_config_payload_field_rel",
        string="Fields Sent",
        domain="[('model_id', '=', model_id), ('store', '=', True)]",
        help="Leave empty to send every stored field except files, lists of lines, and fields "
        "that may hold secrets (access restricted to groups, or a name with password, secret, "
        "token or key). Those are sent only if you list them here.",
    )
    trigger_field_ids = fields.Many2many(
        "ir.model.fields",
        "webhook_config_trigger_field_rel",
        string="Only When Changed",
        domain="[('model_id', '=', model_id), ('store', '=', True)]",
        help="Record a change only if one of these fields changed. Leave empty for any field "
        "that is sent. A change that takes a record from a company is always recorded.",
    )
    filter_domain = fields.Char(
        string="Only Records",
        default="[]",
        help="Record only changes of these records. A change counts if the record matched before "
        "it or matches after it, so a record that stops matching is still reported once.",
    )
    instant_domain = fields.Char(
        string="Instant Only Records",
        default="[]",
        help="Send a change instantly only if the record matched before it or matches after it.",
    )
    instant_field_ids = fields.Many2many(
        "ir.model.fields",
        "webhook_config_instant_field_rel",
        string="Instant Only When Changed",
        domain="[('model_id', '=', model_id), ('store', '=', True)]",
        help="Send a change instantly only if one of these fields changed. Leave empty for any.",
    )
    subscriber_ids = fields.Many2many(
        "webhook.subscriber",
        ondelete="restrict",  # if the list became empty, all subscribers would be meant
        string="Subscribers",
        help="The endpoints that get the instant events of this model. Leave empty for all.",
    )

    _model_unique = models.Constraint(
        "UNIQUE (model_id)", "This model already has a configuration; change that one."
    )

    @api.depends("model_id")
    def _compute_name(self):
        for config in self:
            config.name = config.name or config.model_id.name

    @api.constrains("model_id")
    def _check_model(self):
        for config in self:
            if not self.env[config.model_name]._webhook_recordable:
                raise ValidationError(
                    self.env._(
                        "The changes of %s cannot be recorded.", config.model_id.display_name
                    )
                )

    @api.constrains("instant_send", "priority")
    def _check_instant_send(self):
        for config in self:
            if config.instant_send and config.priority != "high":
                raise ValidationError(
                    self.env._("Only changes of high priority can be sent instantly.")
                )

    @api.constrains("model_id", "payload_field_ids", "trigger_field_ids", "instant_field_ids")
    def _check_fields(self):
        for config in self:
            listed = config.payload_field_ids | config.trigger_field_ids | config.instant_field_ids
            for field in listed.sudo():
                if field.model_id != config.model_id:
                    raise ValidationError(
                        self.env._(
                            "%(field)s is not a field of %(model)s.",
                            field=field.display_name,
                            model=config.model_id.display_name,
                        )
                    )
                model = self.env[field.model]
                if column_sql(model, model._fields[field.name]) is None:
                    raise ValidationError(
                        self.env._("%s is not stored and cannot be recorded.", field.display_name)
                    )

    @api.constrains("model_id", "filter_domain", "instant_domain")
    def _check_domains(self):
        for config in self:
            config._check_domain(config.filter_domain)
            config._check_domain(config.instant_domain)

    def _check_domain(self, domain):
        """Check that the text of a domain selects records of this model.

        :raises ValidationError: if it does not
        """
        try:
            self.env[self.model_name]._search(literal_eval(domain or "[]"))
        except Exception as error:
            raise ValidationError(
                self.env._(
                    "The filter %(domain)s cannot be used: %(error)s",
                    domain=domain,
                    error=error,
                )
            ) from error

    @api.model_create_multi
    def create(self, vals_list):
        configs = super().create(vals_list)
        self._tracking_changed()
        return configs

    def write(self, vals):
        result = super().write(vals)
        self._tracking_changed()
        return result

    def unlink(self):
        result = super().unlink()
        self._tracking_changed()
        return result

    def _tracking_changed(self):
        """Make every process read the configuration again, once this transaction is committed."""
        registry, data = self.env.registry, self.env.cr.postcommit.data
        if _OWN_CHANGES not in data:

            def publish():
                registry.clear_cache()
                registry.signal_changes()  # a shell or a script would not signal by itself

            self.env.cr.postcommit.add(publish)
        data[_OWN_CHANGES] = {}

    @api.model
    def _stop_recording(self):
        """Record nothing more in this transaction, whatever is configured."""
        self.env.cr.flush()  # writes the events of earlier changes
        self._tracking_changed()
        self.env.cr.postcommit.data[_OWN_CHANGES] = {"captures": {}}

    @api.model
    def _tracking(self, model_name):
        """Return the ``Tracking`` of a model, or None if its changes are not recorded."""
        return self._capture(model_name)[0]

    @api.model
    def _capture(self, model_name):
        """Return ``(Tracking, Effects)`` of a model; each may be None."""
        return self._captures().get(model_name, _NOTHING)

    @api.model
    def _recorded(self):
        """Return ``{model: Tracking}`` of the models whose changes are recorded."""
        captures = self._captures().items()
        return {name: tracking for name, (tracking, _effects) in captures if tracking}

    def _captures(self):
        """Return ``{model: (Tracking, Effects)}`` as this transaction records changes."""
        own = self.env.cr.postcommit.data.get(_OWN_CHANGES)
        return self._committed_captures() if own is None else self._own_captures(own)

    def _own_captures(self, cache):
        """Return ``{model: (Tracking, Effects)}`` as this transaction has configured it."""
        if "captures" not in cache:
            cache["captures"] = {}  # reading may flush changes, which must not be recorded now
            cache["captures"] = self._read_captures()
        return cache["captures"]

    @tools.ormcache()
    def _committed_captures(self):
        """Return ``{model: (Tracking, Effects)}`` as it is committed, for all transactions.

        A new cursor reads it: an older transaction would bring back the state before changes that
        others have committed since. If a change empties the cache meanwhile, the configuration is
        read again.
        """
        if not self.pool.ready:
            return self._read_captures()  # this very transaction may have locked the tables
        try:
            while True:
                token = self._cache_token()
                with self.pool.cursor() as cr:
                    cr.execute("SET LOCAL lock_timeout = '1s'")
                    captures = self.with_env(self.env(cr=cr, su=True, context={}))._read_captures()
                if token is self._cache_token():
                    return captures
        except psycopg2.errors.LockNotAvailable:  # the addon is being uninstalled, or a field added
            return self._read_captures()

    @tools.ormcache()
    def _cache_token(self):
        """Return an object that is a new one whenever the cache was emptied."""
        return object()

    def _read_captures(self):
        """Return ``{model: (Tracking, Effects)}`` as the environment's transaction sees it."""
        if not self._is_installed():
            return {}
        tracking = self._all_tracking()
        effects = find_effects(self.sudo().env, tracking)
        names = {*tracking, *effects}
        return {name: (tracking.get(name), effects.get(name)) for name in names}

    def _all_tracking(self):
        """Return ``{model: Tracking}``. A configuration replaces what a class declares."""
        models = self.sudo().env
        declared = {
            name: models[name]._webhook_declared_tracking()
            for name in self.env.registry.descendants(["webhook.mixin"], "_inherit")
            if not models[name]._abstract
        }
        configs = (
            self.sudo().with_context(active_test=False).search([])  # pylint: disable=no-search-all
        )
        configured = {
            config.model_name: config._get_tracking() if config.active else None
            for config in configs
            if config.model_name in models
        }
        return {name: found for name, found in (declared | configured).items() if found}

    def _is_installed(self):
        """Return whether the table exists with all of its columns.

        While the addon is being installed or updated, Odoo writes to other models before it creates
        them.
        """
        columns = tools.sql.table_columns(self.env.cr, self._table)
        return all(
            field.name in columns
            for field in self._fields.values()
            if field.store and field.column_type
        )

    def _get_tracking(self):
        """Return the ``Tracking`` that this configuration describes."""
        self.ensure_one()
        switches = {"create": self.on_create, "write": self.on_write, "unlink": self.on_unlink}
        return make_tracking(
            self.env[self.model_name],
            payload_fields=self._names(self.payload_field_ids),
            trigger_fields=self._names(self.trigger_field_ids),
            instant_fields=self._names(self.instant_field_ids),
            filter_domain=literal_eval(self.filter_domain or "[]"),
            instant_domain=literal_eval(self.instant_domain or "[]"),
            events=frozenset(event for event, on in switches.items() if on),
            priority=self.priority,
            category=self.category,
            instant_send=self.instant_send,
            include_old_values=self.include_old_values,
            config_id=self.id,
            subscriber_ids=tuple(self.subscriber_ids.ids),
        )

    def _names(self, listed):
        """Return the names of the listed fields that the model has."""
        # The cache may be filled before the constraints run that refuse fields of other models.
        known = self.env[self.model_name]._fields
        return sorted(name for name in listed.mapped("name") if name in known)
