"""The tables of the addon, and its extensions of Odoo's models.

A file has the name of its model. A model that is too long for one file has its other parts in
``<model>_<aspect>.py``; the docstring of its class in the main file names them. Models open no
network connection and start no thread: that is left to ``delivery/``.
"""

from . import webhook_request  # isort: skip  # webhook_delivery_request inherits it
from . import (
    base,
    ir_http,
    ir_model_fields,
    ir_rule,
    res_company,
    res_config_settings,
    res_users,
    update_webhook,
    update_webhook_erasure,
    update_webhook_monitoring,
    update_webhook_retention,
    user_sync_state,
    webhook_attempt,
    webhook_bootstrap,
    webhook_config,
    webhook_confirmation,
    webhook_consumer,
    webhook_consumer_figures,
    webhook_consumer_progress,
    webhook_delivery,
    webhook_delivery_erasure,
    webhook_delivery_request,
    webhook_feed_break,
    webhook_feed_position,
    webhook_job,
    webhook_key_failure,
    webhook_mixin,
    webhook_place,
    webhook_replay,
    webhook_secrets,
    webhook_snapshot,
    webhook_subscriber,
    webhook_subscriber_certificate,
    webhook_subscriber_consumer,
    webhook_subscriber_credentials,
    webhook_subscriber_erasure,
    webhook_subscriber_header,
    webhook_subscriber_health,
    webhook_subscriber_notices,
    webhook_tally,
)
