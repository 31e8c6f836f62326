"""What travels between Odoo and a receiver. Pure Python: no Odoo import, no database, no clock."""

from . import backoff, event, jsontext, signature
