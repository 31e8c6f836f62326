from . import (
    base,
    ir_http,
    update_webhook,
    webhook_config,
    webhook_delivery,
    webhook_feed,
    webhook_mixin,
    webhook_subscriber,
)
