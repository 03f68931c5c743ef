"""The client's side of a helper and of a disk: what it asks, is told, and says of it in words."""
