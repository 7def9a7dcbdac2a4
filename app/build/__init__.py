"""The build, from pictures to a gallery on disk."""
