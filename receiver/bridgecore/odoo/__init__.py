"""Talks to Odoo.

In come pages of the feed, which this package gives to `accepting`. Out go reports that tell Odoo
which events are done and which were given up. This package calls no handler, and no other package
calls Odoo's feed.
"""
