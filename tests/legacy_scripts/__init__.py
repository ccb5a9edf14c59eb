"""Scripts as strangers wrote them: they know nothing of this library.

Each takes the API's base URL from the variable API and a path from its first argument, prints
what it sees, and writes "waiting" before it reads a line, so that a test can do things meanwhile.
"""
