"""Accepts events.

In come pushes over HTTP, and pages that were pulled from Odoo's feed. Out goes a receipt, after
Redis has the events and the workers have a message about them. This package calls no handler and
sends nothing to Odoo.
"""
