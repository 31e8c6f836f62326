"""The Celery application, and the messages that it sends.

In come the names of records that have work. Out goes a message in the queue of the right worker.
A message carries no events: it only names records. So a message may be lost or repeated without
harm.
"""
