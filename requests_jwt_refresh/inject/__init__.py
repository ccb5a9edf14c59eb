"""Tokens for unmodified programs.

`requests-jwt run` starts a program with the folder site/ in front of its PYTHONPATH. The
sitecustomize.py in there, which Python runs at its start, replaces ``Session.get_adapter``. From
then on proxy.py wraps the adapter that a session would have used, adapter.py sends through it with
a profile's token, and report.py says on stderr, once, what is wrong with the set-up.

Nothing in this folder may break the program: where a token cannot be had, the request goes out as
it would have without us.
"""
