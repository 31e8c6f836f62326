# Runs inside Odoo's shell (see stack.py). Given: url, push_url, secret, tracked.
# ruff: noqa: F821 - `env` and the parameters come from outside
# mypy: ignore-errors
"""Makes a fresh database ready: a receiver's user, its keys, what is tracked and who is told."""

parameters = env["ir.config_parameter"].sudo()
parameters.set_param("web.base.url", url)
parameters.set_param("web.base.url.freeze", "True")

receiver = env["res.users"].create(
    {
        "name": "BridgeCore receiver",
        "login": "bridgecore",
        "group_ids": [
            (6, 0, [env.ref("base.group_user").id,
                    env.ref("auto_webhook_odoo.group_webhook_receiver").id])
        ],
    }
)  # fmt: skip
admin = env.ref("base.user_admin")


def key_of(user, scope):
    # sudo: only a system administrator may make keys that do not expire
    return env["res.users.apikeys"].with_user(user).sudo()._generate(scope, "devstack", None)


subscriber = env["webhook.subscriber"].create(
    {
        "name": "BridgeCore receiver",
        "url": push_url,
        "auth_type": "signature",
        "signing_secret": secret,
        "allow_private_network": True,  # it runs on this machine
    }
)
for values in tracked:
    model = env["ir.model"]._get(values.pop("model"))
    env["webhook.config"].create(
        {"model_id": model.id, "subscriber_ids": [(6, 0, subscriber.ids)], **values}
    )

result = {
    "source": parameters.get_param("database.uuid"),
    "feed_key": key_of(receiver, "webhook"),
    "admin_key": key_of(admin, "rpc"),
}
env.cr.commit()
