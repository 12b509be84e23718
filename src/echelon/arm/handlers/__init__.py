"""What each operation does on the hub."""
