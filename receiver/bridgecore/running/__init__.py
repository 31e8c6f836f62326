"""The processes of the receiver.

In comes the list of roles that one command runs. Out come their processes, and the embedded Redis
if no other is configured. No event passes through here.
"""
