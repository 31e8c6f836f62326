from odoo.tests import BaseCase

from odoo.addons.auto_webhook_odoo.wire.signature import (
    decode_secret,
    generate_secret,
    signature_headers,
)


class TestSignature(BaseCase):
    def test_vector_of_the_specification(self):
        headers = signature_headers(
            ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1614265330,
            b'{"test": 2432232314}',
        )
        self.assertEqual(
            headers,
            {
                "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "webhook-timestamp": "1614265330",
                "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            },
        )

    def test_a_generated_secret_can_be_decoded(self):
        self.assertEqual(decode_secret(generate_secret(b"x" * 32)), b"x" * 32)

    def test_secrets_of_another_form_are_refused(self):
        for secret in ("", "geheim", "whsec_", "whsec_%%%", "whsec_c2hvcnQ="):
            with self.subTest(secret=secret), self.assertRaises(ValueError):
                decode_secret(secret)
