"""The command line: ``requests-jwt COMMAND``."""
