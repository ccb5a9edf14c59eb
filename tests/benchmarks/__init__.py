"""Measurements, as commands: hot_path (the cost of a request) and redis_fleet (of an expiry)."""
