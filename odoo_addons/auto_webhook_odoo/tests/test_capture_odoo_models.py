"""Every change that reaches the database through the ORM is an event, on Odoo's own models."""

import json

from odoo import Command, http
from odoo.tests import Form, HttpCase, new_test_user, tagged

from .common import WebhookCase


class CompletenessCase(WebhookCase):
    """Records to work with, and assertions about their events."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.Partner = cls.env["res.partner"].with_context(tracking_disable=True)
        cls.Category = cls.env["res.partner.category"]
        cls.partner = cls.Partner.create({"name": "Ada"})
        cls.product = cls.env["product.product"].create({"name": "Chair", "list_price": 10})

    def list_fields(self, config, *names):
        for name in names:
            config.payload_field_ids |= self.env["ir.model.fields"]._get(config.model_name, name)

    def order(self, lines=1, **values):
        line = {
            "product_id": self.product.id,
            "product_uom_qty": 1,
            "price_unit": 10,
            "tax_ids": [Command.clear()],
        }
        return self.env["sale.order"].create(
            {
                "partner_id": self.partner.id,
                "order_line": [Command.create(line) for _line in range(lines)],
                **values,
            }
        )

    def changed(self, record):
        """Return ``{changed field: (old value, new value)}`` of the record's one event, a write."""
        event = self.events(record)
        self.assertEqual(event.mapped("event"), ["write"], record)
        names, old = json.loads(event.changed_fields), json.loads(event.old_values)
        self.assertEqual(names, sorted(old))
        values = self.payload(event)
        return {name: (old[name], values[name]) for name in names}

    def assertOnlyChange(self, record, **change):
        self.assertEqual(self.changed(record), change)

    def assertEventless(self, *records):
        self.assertFalse(self.events(*records).mapped("display_name"))


@tagged("post_install", "-at_install")
class TestComputedFields(CompletenessCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.configure("sale.order")
        cls.configure("sale.order.line")

    def test_a_changed_line_changes_the_total_of_its_order(self):
        order = self.order(lines=2)
        self.forget()
        order.order_line[0].price_unit = 25
        self.assertEqual(self.changed(order)["amount_total"], (20, 35))
        self.assertEqual(self.changed(order.order_line[0])["price_unit"], (10, 25))
        self.assertEventless(order.order_line[1])

    def test_many_flushes_in_between_are_one_event_from_first_to_last(self):
        order = self.order(lines=1)
        self.forget()
        for price in (20, 30, 40):
            order.order_line.price_unit = price
            self.env.cr.flush()
        self.assertEqual(self.changed(order)["amount_total"], (10, 40))
        self.assertEqual(self.changed(order.order_line)["price_subtotal"], (10, 40))

    def test_a_deleted_line_changes_the_total_of_its_order(self):
        order = self.order(lines=2)
        self.forget()
        line = order.order_line[0]
        line.unlink()
        self.assertEqual(self.changed(order)["amount_total"], (20, 10))
        self.assertEqual(self.events(line).event, "unlink")

    def test_a_total_that_comes_back_is_no_change_of_the_order(self):
        order = self.order(lines=2)
        self.forget()
        first, second = order.order_line
        first.price_unit = 12
        self.env.cr.flush()
        second.price_unit = 8
        self.assertEventless(order)
        self.assertEqual(len(self.events(first, second)), 2)

    def test_a_write_in_the_write_of_another_model_is_noticed(self):
        order = self.order()
        self.forget()
        order.order_line.name = "Other words"
        order.action_confirm()
        changes = self.changed(order)
        self.assertEqual(changes["state"], ("draft", "sale"))
        self.assertEqual(self.changed(order.order_line)["state"], ("draft", "sale"))

    def test_an_order_of_the_form_view_is_one_create(self):
        with Form(self.env["sale.order"]) as form:
            form.partner_id = self.partner
            with form.order_line.new() as line:
                line.product_id = self.product
                line.product_uom_qty = 3
        order = form.record
        event = self.events(order)
        self.assertEqual(event.mapped("event"), ["create"])
        self.assertEqual(self.payload(event)["amount_untaxed"], 30)
        self.assertEqual(self.events(order.order_line).event, "create")

    def test_an_order_that_only_exists_in_the_form_is_no_event(self):
        self.forget()
        order = self.env["sale.order"].new({"partner_id": self.partner.id})
        order.order_line = [Command.create({"product_id": self.product.id})]
        self.assertTrue(order.order_line)
        self.assertFalse(self.events())


@tagged("post_install", "-at_install")
class TestLinks(CompletenessCase):
    """Tags of partners: ``category_id`` on this side, ``partner_ids`` on the other."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.red, cls.blue = cls.Category.create([{"name": "Red"}, {"name": "Blue"}])
        cls.other = cls.Partner.create({"name": "Grace"})

    def setUp(self):
        super().setUp()
        self.red.partner_ids = self.partner
        self.forget()

    def assertTags(self, partner, old, new):
        self.assertOnlyChange(partner, category_id=(sorted(old.ids), sorted(new.ids)))

    def test_link_and_unlink_from_the_own_side(self):
        self.partner.write({"category_id": [Command.link(self.blue.id)]})
        self.assertTags(self.partner, self.red, self.red + self.blue)
        self.partner.write({"category_id": [Command.unlink(self.red.id)]})
        self.assertTags(self.partner, self.red, self.blue)

    def test_set_and_clear_from_the_own_side(self):
        self.partner.write({"category_id": [Command.set(self.blue.ids)]})
        self.assertTags(self.partner, self.red, self.blue)
        self.partner.write({"category_id": [Command.clear()]})
        self.assertTags(self.partner, self.red, self.Category)

    def test_a_tag_created_from_the_own_side(self):
        self.partner.write({"category_id": [Command.create({"name": "New"})]})
        self.assertTags(self.partner, self.red, self.partner.category_id)
        self.assertEqual(len(self.partner.category_id), 2)

    def test_a_tag_deleted_from_the_own_side(self):
        red = self.red
        self.partner.write({"category_id": [Command.delete(red.id)]})
        self.assertFalse(red.exists())
        self.assertTags(self.partner, red, self.Category)

    def test_an_assignment_from_the_own_side(self):
        self.partner.category_id += self.blue
        self.assertTags(self.partner, self.red, self.red + self.blue)

    def test_links_that_are_there_already_are_no_change(self):
        self.env.invalidate_all()
        self.partner.write({"category_id": [Command.set(self.red.ids)]})
        self.red.write({"partner_ids": [Command.link(self.partner.id)]})
        self.assertEventless()

    def test_link_from_the_other_side(self):
        self.blue.write({"partner_ids": [Command.link(self.partner.id)]})
        self.assertTags(self.partner, self.red, self.red + self.blue)
        self.assertEventless(self.other)

    def test_unlink_from_the_other_side(self):
        self.red.write({"partner_ids": [Command.unlink(self.partner.id)]})
        self.assertTags(self.partner, self.red, self.Category)

    def test_set_from_the_other_side(self):
        self.red.write({"partner_ids": [Command.set(self.other.ids)]})
        self.assertTags(self.partner, self.red, self.Category)
        self.assertTags(self.other, self.Category, self.red)

    def test_clear_from_the_other_side(self):
        self.red.write({"partner_ids": [Command.clear()]})
        self.assertTags(self.partner, self.red, self.Category)

    def test_a_plain_list_and_records_from_the_other_side(self):
        self.blue.write({"partner_ids": [self.partner.id]})
        self.assertTags(self.partner, self.red, self.red + self.blue)
        self.blue.partner_ids = self.other
        self.assertEventless(self.partner)
        self.assertTags(self.other, self.Category, self.blue)

    def test_a_partner_created_from_the_other_side(self):
        self.blue.write({"partner_ids": [Command.create({"name": "New"})]})
        new = self.blue.partner_ids
        event = self.events(new)
        self.assertEqual(event.event, "create")
        self.assertEqual(self.payload(event)["category_id"], self.blue.ids)

    def test_a_tag_created_with_its_partners(self):
        partners = self.partner + self.other
        tag = self.Category.create({"name": "New", "partner_ids": [Command.set(partners.ids)]})
        self.assertTags(self.partner, self.red, self.red + tag)
        self.assertTags(self.other, self.Category, tag)

    def test_a_deleted_tag_clears_the_links_of_its_partners(self):
        red = self.red
        red.unlink()
        self.assertTags(self.partner, red, self.Category)

    def test_a_tag_that_goes_along_with_its_parent_clears_links(self):
        parent = self.Category.create({"name": "Parent"})
        self.red.parent_id = parent
        self.forget()
        self.assertEqual(self.Category._fields["parent_id"].ondelete, "cascade")
        red = self.red
        parent.unlink()
        self.assertFalse(red.exists())
        self.assertTags(self.partner, red, self.Category)

    def test_two_tags_linked_and_one_of_them_deleted(self):
        blue = self.blue
        self.partner.category_id += blue
        self.env.cr.flush()
        blue.unlink()
        self.assertEventless(self.partner)

    def test_both_sides_may_be_recorded(self):
        self.configure("res.partner.category")
        self.forget()
        self.partner.category_id = self.blue
        self.assertTags(self.partner, self.red, self.blue)
        self.assertOnlyChange(self.red, partner_ids=(self.partner.ids, []))
        self.assertOnlyChange(self.blue, partner_ids=([], self.partner.ids))

    def test_an_archived_partner_keeps_and_gets_links(self):
        self.partner.active = False
        self.forget()
        self.blue.write({"partner_ids": [Command.link(self.partner.id)]})
        self.assertTags(self.partner, self.red, self.red + self.blue)

    def test_two_fields_on_the_same_links(self):
        self.configure("product.product")
        template = self._template_with_variants("S", "M")
        variant = template.product_variant_ids[0]
        event = self.events(variant)
        self.assertEqual(event.event, "create")
        values = self.payload(event)["product_template_attribute_value_ids"]
        self.assertEqual(values, variant.product_template_attribute_value_ids.ids)

    def _template_with_variants(self, *names):
        attribute = self.env["product.attribute"].create(
            {"name": "Size", "value_ids": [Command.create({"name": name}) for name in names]}
        )
        line = {"attribute_id": attribute.id, "value_ids": [Command.set(attribute.value_ids.ids)]}
        return self.env["product.template"].create(
            {"name": "Shirt", "attribute_line_ids": [Command.create(line)]}
        )


@tagged("post_install", "-at_install")
class TestDeletions(CompletenessCase):
    def assertDeletedByTheDatabase(self, model_name, column):
        self.assertEqual(self.env[model_name]._fields[column].ondelete, "cascade")

    def test_a_many2one_is_cleared_by_the_deletion_of_the_other_side(self):
        user = new_test_user(self.env, "seller", groups="base.group_user")
        team = self.env["crm.team"].create({"name": "North"})
        self.configure("sale.order")
        order = self.order(user_id=user.id, team_id=team.id)
        self.assertEqual(order._fields["team_id"].ondelete, "set null")
        self.forget()
        team.unlink()
        self.assertOnlyChange(order, team_id=({"id": team.id, "name": None}, None))

    def test_a_deleted_parent_is_taken_from_its_contacts(self):
        parent = self.Partner.create({"name": "Works", "is_company": True})
        child = self.Partner.create({"name": "Contact", "parent_id": parent.id})
        self.forget()
        parent.unlink()
        self.assertIsNone(self.changed(child)["parent_id"][1])
        self.assertEqual(self.changed(child)["complete_name"], ("Works, Contact", "Contact"))
        self.assertEqual(self.events(parent).event, "unlink")

    def test_lines_that_go_along_with_their_order(self):
        self.configure("sale.order")
        self.configure("sale.order.line")
        order = self.order(lines=2)
        self.forget()
        self.assertDeletedByTheDatabase("sale.order.line", "order_id")
        order_id, lines = order.id, order.order_line
        order.unlink()
        events = self.events(*lines)
        self.assertEqual(events.mapped("event"), ["unlink", "unlink"])
        self.assertEqual({self.payload(event)["order_id"]["id"] for event in events}, {order_id})
        self.assertEqual(self.events(order).event, "unlink")

    def test_lines_are_reported_also_if_their_order_is_not_recorded(self):
        self.configure("sale.order.line")
        order = self.order(lines=1)
        self.forget()
        line = order.order_line
        line.price_unit = 99
        self.env.cr.flush()
        order.unlink()
        event = self.events(line)
        self.assertEqual(event.event, "unlink")
        self.assertEqual(self.payload(event)["price_unit"], 10)

    def test_bank_accounts_that_go_along_with_their_owner(self):
        self.configure("res.partner.bank")
        account = self.env["res.partner.bank"].create(
            {"acc_number": "123", "partner_id": self.partner.id}
        )
        self.forget()
        self.assertDeletedByTheDatabase("res.partner.bank", "partner_id")
        self.partner.unlink()
        self.assertFalse(account.exists())
        event = self.events(account)
        self.assertEqual(event.event, "unlink")
        self.assertEqual(self.payload(event)["acc_number"], "123")

    def test_a_child_that_was_moved_just_before_goes_along_too(self):
        self.configure("res.partner.bank")
        heir = self.Partner.create({"name": "Grace"})
        account = self.env["res.partner.bank"].create(
            {"acc_number": "123", "partner_id": self.partner.id}
        )
        self.forget()
        account.partner_id = heir
        heir.unlink()  # this is when the database hears of the new owner
        self.assertFalse(account.exists())
        event = self.events(account)
        self.assertEqual(event.mapped("event"), ["unlink"])
        self.assertEqual(self.payload(event)["partner_id"]["id"], self.partner.id)

    def test_a_line_that_was_moved_just_before_goes_along_with_its_new_order(self):
        self.configure("sale.order.line")
        order, other = self.order(), self.order()
        self.forget()
        line = order.order_line
        line.order_id = other
        other.unlink()  # this is when the database hears of the new order
        self.assertFalse(line.exists())
        event = self.events(line)
        self.assertEqual(event.mapped("event"), ["unlink"])
        self.assertEqual(self.payload(event)["order_id"]["id"], order.id)

    def test_a_link_that_was_made_just_before_takes_the_line_along(self):
        self.configure("sale.order.line")
        line, linked = self.order(lines=2).order_line
        self.forget()
        linked.linked_line_id = line
        line.unlink()
        self.assertFalse(linked.exists())
        self.assertEqual(self.events(line, linked).mapped("event"), ["unlink", "unlink"])

    def test_variants_that_go_along_with_their_template(self):
        self.configure("product.product")
        template, variant = self.product.product_tmpl_id, self.product
        self.forget()
        self.assertDeletedByTheDatabase("product.product", "product_tmpl_id")
        template.unlink()
        self.assertFalse(variant.exists())
        self.assertEqual(self.events(variant).event, "unlink")

    def test_a_deletion_cascades_over_several_steps(self):
        """A template takes its attribute lines along, and these their values."""
        attribute = self.env["product.attribute"].create(
            {"name": "Size", "value_ids": [Command.create({"name": n}) for n in ("S", "M")]}
        )
        line = {"attribute_id": attribute.id, "value_ids": [Command.set(attribute.value_ids.ids)]}
        template = self.env["product.template"].create(
            {"name": "Shirt", "attribute_line_ids": [Command.create(line)]}
        )
        values = template.attribute_line_ids.product_template_value_ids
        self.configure("product.template.attribute.value")
        self.forget()
        self.assertDeletedByTheDatabase("product.template.attribute.line", "product_tmpl_id")
        self.assertDeletedByTheDatabase("product.template.attribute.value", "attribute_line_id")
        template.unlink()
        self.assertFalse(values.exists())
        self.assertEqual(self.events(*values).mapped("event"), ["unlink", "unlink"])

    def test_items_of_an_entry(self):
        self.configure("account.move.line")
        move = self._entry()
        self.forget()
        items = move.line_ids
        move.unlink()
        self.assertEqual(self.events(*items).mapped("event"), ["unlink", "unlink"])

    def _entry(self):
        account = self.env["account.account"].search([("account_type", "=", "income")], limit=1)
        lines = [{"account_id": account.id, "debit": 5}, {"account_id": account.id, "credit": 5}]
        return self.env["account.move"].create(
            {"move_type": "entry", "line_ids": [Command.create(line) for line in lines]}
        )

    def test_a_deletion_that_is_rolled_back_is_no_event(self):
        self.configure("sale.order.line")
        order = self.order(lines=1)
        self.forget()
        with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
            order.unlink()
            self.assertEqual(len(self.events()), 1)
            raise ZeroDivisionError
        self.assertEventless()


@tagged("post_install", "-at_install")
class TestListedLines(CompletenessCase):
    """A one2many field is sent if it is listed, and then its lines are part of its value."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        config = cls.configure("sale.order")
        cls.list_fields(cls, config, "name", "order_line")

    def setUp(self):
        super().setUp()
        self.first, self.second = self.order(lines=2), self.order(lines=1)
        self.forget()

    def assertLines(self, order, old, new):
        self.assertOnlyChange(order, order_line=(sorted(old), sorted(new)))

    def test_a_line_is_added(self):
        old = self.first.order_line.ids
        line = self.env["sale.order.line"].create(
            {"order_id": self.first.id, "product_id": self.product.id}
        )
        self.assertLines(self.first, old, [*old, line.id])
        self.assertEventless(self.second)

    def test_a_line_is_added_through_the_order(self):
        old = self.first.order_line.ids
        self.first.write({"order_line": [Command.create({"product_id": self.product.id})]})
        self.assertEqual(len(self.first.order_line), 3)
        self.assertLines(self.first, old, self.first.order_line.ids)

    def test_a_line_is_removed(self):
        old = self.first.order_line.ids
        self.first.order_line[0].unlink()
        self.assertLines(self.first, old, old[1:])

    def test_a_line_is_moved(self):
        line = self.first.order_line[0]
        old_first, old_second = self.first.order_line.ids, self.second.order_line.ids
        line.order_id = self.second
        self.assertLines(self.first, old_first, old_first[1:])
        self.assertLines(self.second, old_second, [*old_second, line.id])

    def test_a_line_is_changed_but_not_the_list(self):
        self.first.order_line[0].price_unit = 77
        self.assertEventless()

    def test_a_line_goes_along_with_another(self):
        """``linked_line_id`` deletes in the database: the order loses two lines."""
        line, linked = self.first.order_line
        linked.linked_line_id = line
        self.forget()
        line.unlink()
        self.assertFalse(linked.exists())
        self.assertLines(self.first, [line.id, linked.id], [])

    def test_a_created_order_shows_its_lines(self):
        order = self.order(lines=2)
        self.assertEqual(
            self.payload(self.events(order))["order_line"], sorted(order.order_line.ids)
        )


@tagged("post_install", "-at_install")
class TestInheritedParents(CompletenessCase):
    def test_a_user_writes_its_partner(self):
        self.configure("res.users")
        user = new_test_user(self.env, "grace", name="Grace")
        self.forget()
        user.write({"name": "Grace H.", "city": "Oslo"})
        changes = self.changed(user.partner_id)
        self.assertEqual(changes["name"], ("Grace", "Grace H."))
        self.assertEqual(changes["city"], (None, "Oslo"))

    def test_a_user_is_created_with_its_partner(self):
        self.configure("res.users")
        user = new_test_user(self.env, "grace", name="Grace")
        self.assertEqual(self.events(user.partner_id).event, "create")
        self.assertEqual(self.events(user).event, "create")

    def test_a_variant_writes_its_template(self):
        self.configure("product.template")
        self.configure("product.product")
        self.forget()
        self.product.write({"list_price": 12, "default_code": "C1"})
        template = self.product.product_tmpl_id
        self.assertEqual(self.changed(template)["list_price"], (10, 12))
        self.assertEqual(self.changed(template)["default_code"], (None, "C1"))
        self.assertOnlyChange(self.product, default_code=(None, "C1"))

    def test_a_template_writes_its_variant(self):
        self.configure("product.product")
        self.forget()
        self.product.product_tmpl_id.default_code = "C2"
        self.assertOnlyChange(self.product, default_code=(None, "C2"))


@tagged("post_install", "-at_install")
class TestLanguagesAndCompanies(CompletenessCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["res.lang"]._activate_lang("fr_FR")
        cls.configure("product.template")
        cls.list_fields(cls, cls.configure("product.product"), "default_code", "standard_price")
        cls.template = cls.product.product_tmpl_id
        cls.main = cls.env.ref("base.main_company")
        cls.second = cls.env["res.company"].create({"name": "Second"})
        cls.env.user.company_ids += cls.second

    def setUp(self):
        super().setUp()
        self.forget()

    def test_a_translation_is_a_change(self):
        self.template.with_context(lang="fr_FR").name = "Chaise"
        self.assertOnlyChange(self.template, name=("Chair", "Chair"))

    def test_a_translation_of_the_dialog_is_a_change(self):
        self.template.update_field_translations("name", {"fr_FR": "Chaise"})
        self.assertEqual(self.template.with_context(lang="fr_FR").name, "Chaise")
        self.assertOnlyChange(self.template, name=("Chair", "Chair"))

    def test_a_value_is_seen_in_the_language_of_the_main_company(self):
        self.main.partner_id.lang = "fr_FR"
        self.forget()
        self.template.with_context(lang="fr_FR").name = "Chaise"
        self.assertOnlyChange(self.template, name=("Chair", "Chaise"))

    def test_a_value_is_seen_in_the_language_of_the_record_s_company(self):
        self.second.partner_id.lang = "fr_FR"
        self.template.company_id = self.second
        self.forget()
        self.template.with_context(lang="fr_FR").name = "Chaise"
        self.assertOnlyChange(self.template, name=("Chair", "Chaise"))

    def test_a_missing_translation_shows_the_source(self):
        self.main.partner_id.lang = "fr_FR"
        self.forget()
        self.template.list_price = 99
        self.assertEqual(self.payload(self.events(self.template))["name"], "Chair")

    def test_the_same_translation_again_is_no_change(self):
        self.template.with_context(lang="fr_FR").name = "Chaise"
        self.forget()
        self.env.invalidate_all()
        self.template.with_context(lang="fr_FR").name = "Chaise"
        self.template.with_context(lang="en_US").name = "Chair"
        self.assertEventless()

    def test_a_value_of_another_company_is_a_change(self):
        self.product.with_company(self.second).standard_price = 7
        self.forget()
        self.product.with_company(self.second).standard_price = 8
        # seen by the main company, because the product belongs to none
        self.assertOnlyChange(self.product, standard_price=(0, 0))

    def test_a_value_is_seen_by_the_main_company(self):
        self.product.with_company(self.second).standard_price = 7
        self.product.with_company(self.main).standard_price = 5
        self.assertOnlyChange(self.product, standard_price=(0, 5))

    def test_a_value_is_seen_by_the_record_s_company(self):
        self.template.company_id = self.second
        self.forget()
        self.product.with_company(self.main).standard_price = 5
        self.product.with_company(self.second).standard_price = 7
        self.assertOnlyChange(self.product, standard_price=(0, 7))

    def test_the_company_is_also_known_if_it_is_inherited(self):
        """A variant has no column for it, but the event must not be seen by other companies."""
        self.template.company_id = self.second
        self.forget()
        self.product.default_code = "C1"
        self.assertEqual(self.events(self.product).company_id, self.second)

    def test_a_value_that_was_never_set_is_the_default_of_the_company(self):
        defaults = self.env["ir.default"]
        defaults.set("res.partner", "trust", "good", company_id=self.main.id)
        defaults.set("res.partner", "trust", "bad", company_id=self.second.id)
        elsewhere = self.Partner.create({"name": "Elsewhere", "company_id": self.second.id})
        self.assertEqual(self.partner.with_company(self.main).trust, "good")
        self.partner.city = "Oslo"
        self.assertEqual(self.payload(self.events(self.partner))["trust"], "good")
        self.assertEqual(self.payload(self.events(elsewhere))["trust"], "bad")

    def test_the_default_written_out_is_no_change(self):
        self.env["ir.default"].set("res.partner", "trust", "good", company_id=self.main.id)
        self.forget()
        self.env.invalidate_all()
        self.partner.with_company(self.main).trust = "good"
        self.assertEventless()

    def test_a_value_that_returns_to_the_default_is_a_change(self):
        self.env["ir.default"].set("res.partner", "trust", "good", company_id=self.main.id)
        partner = self.partner.with_company(self.main)
        partner.trust = "bad"
        self.forget()
        partner.trust = "good"
        self.assertOnlyChange(self.partner, trust=("bad", "good"))

    def test_a_many2one_of_a_company_is_cleared_by_the_deletion_of_the_other_side(self):
        position = self.env["account.fiscal.position"].create({"name": "Export"})
        self.partner.with_company(self.main).property_account_position_id = position
        self.forget()
        position.unlink()
        old = {"id": position.id, "name": None}
        self.assertOnlyChange(self.partner, property_account_position_id=(old, None))


@tagged("post_install", "-at_install")
class TestWaysToChange(CompletenessCase):
    def test_archiving_and_bringing_back_are_changes(self):
        self.forget()
        self.partner.action_archive()
        self.assertOnlyChange(self.partner, active=(True, False))
        self.next_transaction()
        self.forget()
        self.partner.action_unarchive()
        self.assertOnlyChange(self.partner, active=(False, True))

    def test_an_archived_record_is_recorded_too(self):
        self.partner.active = False
        self.forget()
        self.partner.city = "Oslo"
        self.assertOnlyChange(self.partner, city=(None, "Oslo"))
        self.forget()
        self.partner.unlink()
        self.assertEqual(self.events(self.partner).event, "unlink")

    def test_an_import_creates_and_updates(self):
        known = self.Partner.create({"name": "Known", "city": "Rome"})
        self.env["ir.model.data"].create(
            {"module": "test", "name": "known", "model": known._name, "res_id": known.id}
        )
        self.forget()
        result = self.env["res.partner"].load(
            ["id", "name", "city"], [["test.known", "Known", "Oslo"], ["test.new", "New", "Bern"]]
        )
        self.assertFalse(result["messages"])
        new = self.env["res.partner"].browse(result["ids"]) - known
        self.assertOnlyChange(known, city=("Rome", "Oslo"))
        event = self.events(new)
        self.assertEqual((event.event, self.payload(event)["city"]), ("create", "Bern"))
        self.assertEqual(len(self.events()), 2)

    def test_an_import_with_a_wrong_row_records_nothing(self):
        self.forget()
        result = self.env["res.partner"].load(
            ["name", "country_id"], [["Right", "Belgium"], ["Wrong", "No such country"]]
        )
        self.assertFalse(result["ids"])
        self.assertEventless()

    def _import_partners(self, text, dryrun):
        wizard = self.env["base_import.import"].create(
            {"res_model": "res.partner", "file": text.encode(), "file_type": "text/csv"}
        )
        options = {"quoting": '"', "separator": ",", "has_headers": True}
        result = wizard.execute_import(["name", "city"], ["name", "city"], options, dryrun=dryrun)
        self.assertFalse(result["messages"])
        return result["ids"]

    def test_the_test_of_the_import_wizard_records_nothing(self):
        self.forget()
        self.partner.city = "Oslo"
        self.env.cr.flush()
        ids = self._import_partners("name,city\nNew,Bern\n", dryrun=True)
        self.assertFalse(self.Partner.browse(ids).exists())
        self.assertEqual(self.events().mapped("record_id"), self.partner.ids)

    def test_the_import_after_its_test_records_once(self):
        self.forget()
        self._import_partners("name,city\nNew,Bern\n", dryrun=True)
        ids = self._import_partners("name,city\nNew,Bern\n", dryrun=False)
        self.assertEqual(self.events().mapped("record_id"), ids)

    def test_a_copy_is_a_create(self):
        self.configure("sale.order")
        self.configure("sale.order.line")
        order = self.order()
        self.forget()
        copy = order.copy()
        event = self.events(copy)
        self.assertEqual(event.mapped("event"), ["create"])
        self.assertEqual(self.payload(event)["name"], copy.name)
        self.assertEqual(self.payload(event)["amount_total"], 10)
        self.assertEqual(self.events(copy.order_line).event, "create")
        self.assertEventless(order)

    def test_a_copy_keeps_translations(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self.configure("product.template")
        self.env.ref("base.main_company").partner_id.lang = "fr_FR"
        template = self.product.product_tmpl_id
        template.with_context(lang="fr_FR").name = "Chaise"
        self.forget()
        copy = template.copy()
        name = copy.with_context(lang="fr_FR").name
        self.assertEqual(self.payload(self.events(copy))["name"], name)

    def test_sensitive_fields_are_sent_only_if_listed(self):
        config = self.configure("sale.order")
        order = self.order(access_token="6f1c")
        event = self.events(order)
        self.assertNotIn("access_token", self.payload(event))
        self.assertNotIn("6f1c", event.payload)
        self.forget()
        order.access_token = "93ab"
        self.assertEventless()
        self.list_fields(config, "name", "access_token")
        order.access_token = "17dd"
        self.assertEqual(self.payload(self.events(order))["access_token"], "17dd")


@tagged("post_install", "-at_install")
class TestActingUser(CompletenessCase):
    def test_a_portal_user_whose_code_takes_all_rights(self):
        user = new_test_user(self.env, "customer", groups="base.group_portal")
        self.forget()
        self.uid = user.id  # as Odoo does it for a request
        self.env["res.partner"].browse(self.partner.id).sudo().city = "Oslo"
        event = self.env(user=1)["update.webhook"].search([("record_id", "=", self.partner.id)])
        self.assertFalse(event)
        self.env.cr.flush()
        event = self.env(user=1)["update.webhook"].search([("record_id", "=", self.partner.id)])
        self.assertEqual(event.user_id, user)

    def test_a_cron(self):
        user = new_test_user(self.env, "robot", groups="base.group_system")
        job = self.env["ir.cron"].create(
            {
                "name": "Move",
                "model_id": self.env["ir.model"]._get("res.partner").id,
                "state": "code",
                "code": f"model.browse({self.partner.id}).write({{'city': 'Oslo'}})",
                "user_id": user.id,
                "interval_number": 1,
                "interval_type": "days",
            }
        )
        self.forget()
        with self.enter_registry_test_mode():
            job.method_direct_trigger()
        event = self.events(self.partner)
        self.assertEqual(event.mapped("event"), ["write"])
        self.assertEqual(event.user_id, user)


@tagged("post_install", "-at_install")
class TestActingVisitor(CompletenessCase, HttpCase):
    def test_a_visitor_declines_an_offer(self):
        self.configure("sale.order")
        order = self.order(require_signature=True, require_payment=False)
        order.state = "sent"
        token = order._portal_ensure_token()
        self.forget()
        self.authenticate(None, None)
        answer = self.url_open(
            f"/my/orders/{order.id}/decline",
            data={
                "access_token": token,
                "decline_message": "Too dear",
                "csrf_token": http.Request.csrf_token(self),
            },
            allow_redirects=False,
        )
        self.assertEqual(answer.status_code, 303)
        self.env.invalidate_all()
        self.assertEqual(order.state, "cancel")
        event = self.events(order)
        self.assertEqual(event.mapped("event"), ["write"])
        self.assertEqual(json.loads(event.old_values)["state"], "sent")
        self.assertEqual(event.user_id, self.env.ref("base.public_user"))


@tagged("post_install", "-at_install")
class TestInvoiceNumbers(CompletenessCase):
    def invoice(self):
        return self.env["account.move"].create(
            {
                "move_type": "out_invoice",
                "partner_id": self.partner.id,
                "invoice_date": "2026-01-15",
                "invoice_line_ids": [
                    Command.create({"name": "Work", "price_unit": 50, "tax_ids": [Command.clear()]})
                ],
            }
        )

    def setUp(self):
        super().setUp()
        self.config = self.configure("account.move")
        self.invoice().action_post()  # the first of a month has its number as a draft already
        self.draft = self.invoice()
        self.forget()

    def assertNumbered(self, old):
        self.assertTrue(self.draft.name.endswith("00002"), self.draft.name)
        self.assertEqual(self.changed(self.draft)["name"], (old, self.draft.name))

    def test_posting_gives_the_number(self):
        old = self.draft.name or None
        self.draft.action_post()
        self.assertNumbered(old)
        self.assertEqual(self.changed(self.draft)["state"], ("draft", "posted"))

    def test_posting_with_a_cold_cache_gives_the_number(self):
        old = self.draft.name or None
        self.env.invalidate_all()
        self.draft.action_post()
        self.assertNumbered(old)

    def test_posting_gives_the_number_also_if_nothing_else_is_sent(self):
        self.list_fields(self.config, "name")
        old = self.draft.name or None
        self.draft.action_post()
        self.assertNumbered(old)

    def test_a_new_invoice_that_is_posted_is_one_create_with_its_number(self):
        self.draft.action_post()
        invoice = self.invoice()
        invoice.action_post()
        event = self.events(invoice)
        self.assertEqual(event.mapped("event"), ["create"])
        self.assertTrue(invoice.name.endswith("00003"), invoice.name)
        self.assertEqual(self.payload(event)["name"], invoice.name)

    def test_a_draft_moves_to_another_year(self):
        self.draft.action_post()
        self.draft.button_draft()
        self.forget()
        old = self.draft.name
        self.draft.write({"name": False, "invoice_date": "2027-01-15"})
        self.draft.action_post()
        self.assertNotEqual(self.draft.name, old)
        self.assertEqual(self.changed(self.draft)["name"], (old, self.draft.name))


@tagged("post_install", "-at_install")
class TestRecursion(CompletenessCase):
    def test_a_write_within_a_write_is_seen_on_both_records(self):
        """A company hands its address down to its contacts while it is written."""
        parent = self.Partner.create({"name": "Works", "is_company": True})
        child = self.Partner.create({"name": "Ada", "parent_id": parent.id, "type": "contact"})
        self.forget()
        parent.write({"city": "Oslo", "vat": "BE0477472701"})
        self.assertEqual(self.changed(parent)["city"], (None, "Oslo"))
        self.assertEqual(self.changed(child)["city"], (None, "Oslo"))

    def test_a_create_within_a_create(self):
        parent = self.Partner.create(
            {"name": "Works", "child_ids": [Command.create({"name": "Ada"})]}
        )
        self.assertEqual(self.events(parent, parent.child_ids).mapped("event"), ["create"] * 2)
