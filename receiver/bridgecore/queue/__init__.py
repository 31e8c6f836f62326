"""The Celery application and its messages.

In come the names of records that have work. Out goes a message in the queue of the right worker.
A message never carries an event: it only says where to look, so it may be lost or repeated.
"""
