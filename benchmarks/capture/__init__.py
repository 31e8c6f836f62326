"""What recording costs the business transactions whose changes it records.

The same workloads run on databases that differ only in who watches `res.partner`: nobody, this
addon, or a peer from the Odoo Community Association. Every variant has an Odoo process and a
database of its own, all started before anything is measured, as a server's workers are. Within a
round each workload runs once in every variant before the next workload begins, so whatever slows
the machine down for a while slows all of them down.

Each transaction has a new cursor and a new environment, as each request to a server has: the
records' cache is cold, the caches of the process (registry, rules, translations) are warm.
"""
