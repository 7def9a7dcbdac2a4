"""The methods that a study compares, a file each."""
