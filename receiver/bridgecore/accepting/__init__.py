"""Accepts events.

Input: pushes over HTTP, and pages that were pulled from Odoo's feed. Output: a receipt, after Redis
has the events and the workers have a message about them. This package calls no handler and sends
nothing to Odoo.
"""
