"""The components screens are made of: one of each kind, the same everywhere."""
