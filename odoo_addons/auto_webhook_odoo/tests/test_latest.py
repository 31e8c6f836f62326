import json

from odoo.tests import BaseCase, tagged

from ..wire.latest import only_latest


def event(record_id=1, event="write", model="res.partner", **metadata):
    payload = {"name": "x", **({"_metadata": metadata} if metadata else {})}
    return {"model": model, "record_id": record_id, "event": event, "payload": payload}


@tagged("post_install", "-at_install")
class TestLatest(BaseCase):
    """Which events of a page a reader needs who keeps the present values of records."""

    def kept(self, *events):
        """Return the indices of the events that are kept."""
        texts = [json.dumps({"id": index, **e}) for index, e in enumerate(events)]
        return [json.loads(text)["id"] for text in only_latest(texts)]

    def test_a_later_event_of_the_record_replaces_earlier_ones(self):
        self.assertEqual(self.kept(event(event="create"), event(), event()), [2])
        self.assertEqual(self.kept(event(event="create"), event(), event(event="unlink")), [2])
        self.assertEqual(self.kept(event(event="unlink", gone=True), event()), [1])
        self.assertEqual(self.kept(event(snapshot=True), event(not_serialisable=["a"])), [1])
        self.assertEqual(self.kept(), [])

    def test_other_records_are_others(self):
        events = [event(1), event(2), event(1, model="sale.order"), event(2)]
        self.assertEqual(self.kept(*events), [0, 2, 3])

    def test_a_reduced_payload_replaces_nothing_and_is_replaced(self):
        for reduced in ("changed_fields", "nothing"):
            smaller = event(reduced_to=reduced)
            self.assertEqual(self.kept(event(), smaller), [0, 1])
            self.assertEqual(self.kept(event(), smaller, event()), [2])
        self.assertEqual(self.kept(event(), event(event="unlink", reduced_to="nothing")), [1])

    def test_what_has_to_be_erased_is_told(self):
        for erased in ({"erased": True}, {"erased_fields": ["name"]}):
            self.assertEqual(self.kept(event(), event(**erased)), [0, 1])
            self.assertEqual(self.kept(event(), event(**erased), event()), [1, 2])
            self.assertEqual(self.kept(event(**erased), event(event="unlink")), [0, 1])

    def test_an_event_without_payload(self):
        self.assertEqual(self.kept({**event(), "payload": None}, event()), [1])
