"""The conversations with Odoo.

In come pages of the feed, which go to `accepting`. Out go confirmations: which events were handled
and which were given up. No handler is called here, and no other package calls Odoo's feed.
"""
