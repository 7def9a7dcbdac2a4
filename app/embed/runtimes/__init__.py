"""What runs a network: one file each."""
