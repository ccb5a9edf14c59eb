"""Tokens for programs that nobody edits.

launch.py starts a program with the folder site/ in front of its PYTHONPATH. The sitecustomize.py in
there, which Python runs at its start, wraps ``Session.get_adapter``; dressing.py then has the
adapter that a session would have used do the sending, below one of ours.
"""
