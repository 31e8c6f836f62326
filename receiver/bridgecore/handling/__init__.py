"""Handles events: brings them from the inbox of their record to the handlers.

Input: messages that name records with queued events. Output: the result of each event: done, failed
(tried again later) or dead. This package never calls Odoo.
"""
