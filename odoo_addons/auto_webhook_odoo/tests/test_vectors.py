import json
from pathlib import Path
from unittest import skipUnless

from odoo.tests import tagged

from ..wire.signature import signature_headers
from .common_http import FeedHttpCase

#: The vectors are not in the addon, because the receiver's tests read them, too.
VECTORS = Path(__file__).parents[3] / "tests" / "vectors"


def vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


@tagged("post_install", "-at_install")
@skipUnless(VECTORS.is_dir(), "the addon is not in its repository")
class TestVectors(FeedHttpCase):
    """The wire is as the vectors say. The receiver's tests read the same vectors."""

    def test_calls_of_the_feed(self):
        self.forget()
        self.known = {}
        for vector in vectors("feed")["calls"]:
            with self.subTest(name=vector["name"]):
                for name in vector.get("made", ()):
                    self.env["res.partner"].create({"name": name, "company_id": False})
                    self.next_transaction()
                status, answer = self.call(
                    vector["call"], self.filled(vector["body"]), vector.get("key", "receiver")
                )
                self.assertEqual(status, vector["status"])
                self.assertLike(answer, vector["answer"])

    def test_signatures(self):
        for vector in vectors("signatures")["valid"]:
            with self.subTest(name=vector["name"]):
                headers = signature_headers(
                    [vector["secret"]], vector["id"], vector["timestamp"], vector["body"].encode()
                )
                self.assertEqual(headers["webhook-signature"], vector["signature"])

    def filled(self, value):
        """Return the value with placeholders replaced by what earlier answers held."""
        if isinstance(value, dict):
            return {key: self.filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        return self.known.get(value, value)

    def assertLike(self, found, expected, at="answer"):
        if isinstance(expected, str) and expected.startswith("<"):
            expected = self.known.setdefault(expected, found)
        if isinstance(expected, dict):
            if not at.endswith(".payload"):  # a contact has more fields than the vectors name
                self.assertEqual(set(found), set(expected), at)
            for key, item in expected.items():
                self.assertLike(found[key], item, f"{at}.{key}")
        elif isinstance(expected, list):
            self.assertEqual(len(found), len(expected), at)
            for number, item in enumerate(expected):
                self.assertLike(found[number], item, f"{at}[{number}]")
        elif expected != "*":
            self.assertEqual(found, expected, at)
