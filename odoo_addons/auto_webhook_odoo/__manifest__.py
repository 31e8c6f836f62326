{
    "name": "Webhooks and Change Feed",
    "summary": "Record every create, write and unlink of the models you pick; push or pull them, "
    "none lost, none doubled, in order",
    "version": "19.0.0.1.0",
    "category": "Technical",
    "author": "BridgeCore",
    "license": "LGPL-3",
    "depends": ["web"],
    "data": [
        "security/security.xml",
        "security/ir.model.access.csv",
        "data/ir_cron.xml",
        "wizards/webhook_erasure_views.xml",
        "views/update_webhook_views.xml",
        "views/webhook_delivery_views.xml",
        "views/webhook_config_views.xml",
        "views/webhook_subscriber_views.xml",
        "views/webhook_snapshot_views.xml",
        "views/res_config_settings_views.xml",
        "views/menus.xml",
    ],
    "application": True,
}
