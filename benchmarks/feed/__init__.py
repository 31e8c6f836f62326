"""How fast the feed is read and confirmed from a table of a million events.

Over HTTP, from one worker process, as a receiver does. What PostgreSQL needs to return the same
rows as JSON is the yardstick; both are measured in turns, so that a busy machine slows both.
"""
