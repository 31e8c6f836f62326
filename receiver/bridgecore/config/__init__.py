"""The settings.

In come environment variables. Out goes one checked `Settings` object, or an error that says what to
write instead. Nothing is connected to here, and no error shows a secret.
"""
