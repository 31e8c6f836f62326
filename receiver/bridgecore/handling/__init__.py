"""Handles events: brings them from the inbox of their record to the handlers.

In come messages that name records with queued events. Out goes the result of each event: done,
failed (tried again later) or dead. This package never calls Odoo.
"""
