"""First tokens, and how they end: password, device flow, revocation."""
