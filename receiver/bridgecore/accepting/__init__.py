"""How an event gets in.

In come pushes over HTTP and pages that were pulled from Odoo's feed. Out goes a receipt, sent only
after the events stand in Redis and the workers have a message about them. No handler is called
here, and nothing is asked of Odoo.
"""
