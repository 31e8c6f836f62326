from . import (
    base,
    ir_http,
    ir_model_fields,
    res_config_settings,
    update_webhook,
    webhook_config,
    webhook_delivery,
    webhook_feed,
    webhook_mixin,
    webhook_retention,
    webhook_snapshot,
    webhook_subscriber,
)
