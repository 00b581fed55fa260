"""What runs inside a scoring environment, beside Microsoft's inference server: it imports nothing of this workspace."""
