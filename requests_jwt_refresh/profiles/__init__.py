"""Named set-ups in a TOML file."""
