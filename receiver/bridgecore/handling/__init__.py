"""How an event gets from its record's inbox to the handlers.

In come messages that name records with waiting events. Out go results: each event is done, is
tried again later, or becomes a dead letter. Odoo is never called here.
"""
