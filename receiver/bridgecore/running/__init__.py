"""The processes of the receiver.

In comes the list of roles that one command runs. Out come their processes, and the embedded Redis
if the administrator has configured no other. Events do not pass through this package.
"""
