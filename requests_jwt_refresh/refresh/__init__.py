"""Keeping one token fresh: the only part that talks to the refresh endpoint."""
