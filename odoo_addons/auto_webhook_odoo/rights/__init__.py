"""What a user may read in Odoo, and events reduced to that.

For the users who *follow record rules* (``models/res_users.py``), and for samples.
"""
