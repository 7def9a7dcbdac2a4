"""What the application reaches: quality of its search, speed and memory of its build and server."""
