"""What the receiver takes in and handles, and what it costs."""
