"""Talks to Odoo.

Input: pages of the feed, which this package gives to `accepting`. Output: reports to Odoo
that say which events are done and which were given up. This package calls no handler, and no other
package calls Odoo's feed.
"""
