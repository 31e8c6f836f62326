"""The settings.

In come environment variables. Out goes one checked `Settings` object, or an error that says what to
write instead. This package opens no connections, and its errors show no secrets.
"""
