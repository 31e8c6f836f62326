"""What an operator can see of a running receiver.

In come the counters and states in Redis, and the answers of Odoo and of the workers. Out go
metrics, the findings of `bridgecore doctor`, and log lines. This package only reads.
"""
