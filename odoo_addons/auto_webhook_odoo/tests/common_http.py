import datetime
import json

from odoo.tests import HttpCase, new_test_user

from .common import WebhookCase


class FeedHttpCase(WebhookCase, HttpCase):
    """Calls the feed's routes, with keys of users in the groups that matter."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users, cls.keys = {}, {}
        for login in ("consumer", "receiver"):
            cls.add_user(login, f"auto_webhook_odoo.group_webhook_{login}")
        cls.add_user("clerk", "base.group_user")

    @classmethod
    def add_user(cls, login, groups, **values):
        """Create a user who sees all records, unless the values say otherwise, and a key."""
        values = {"webhook_follow_rules": False, **values}
        cls.users[login] = new_test_user(cls.env, login, groups=groups, **values)
        cls.keys[login] = cls.add_key(login)

    @classmethod
    def add_key(cls, login, scope="webhook", days=1):
        user = cls.users[login]
        expires = datetime.datetime.now() + datetime.timedelta(days=days)
        return cls.env["res.users.apikeys"].with_user(user).sudo()._generate(scope, login, expires)

    def send(self, path, body=None, key="receiver", headers=None, **kwargs):
        """Call the feed, and return the response.

        :param body: JSON, or bytes or a text that are sent as they are; None for GET
        :param key: login of the user who calls, or the key itself; None for no key
        """
        headers = dict(headers or {})
        if key:
            headers.setdefault("Authorization", f"Bearer {self.keys.get(key, key)}")
        if body is not None:
            kwargs["data"] = body if isinstance(body, (bytes, str)) else json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        self.env.cr.flush()
        return self.url_open(f"/api/webhooks/{path}", headers=headers, **kwargs)

    def call(self, path, body=None, key="receiver", headers=None, **kwargs):
        """Call the feed, and return ``(status, decoded JSON body)``."""
        response = self.send(path, body, key, headers, **kwargs)
        self.assertEqual(response.headers["Content-Type"].split(";")[0], "application/json")
        return response.status_code, response.json()

    def assertRefused(self, answer, status, code):
        got_status, body = answer
        self.assertEqual((got_status, body.get("success")), (status, False), body)
        self.assertEqual(body["error"]["code"], code)
        self.assertTrue(body["error"]["message"])
