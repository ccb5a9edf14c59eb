"""What README and the guide show of terminals, made by playing it in real ones.

A block in a page belongs to a session if this line stands before it::

    <!-- transcript: init -->

``python -m tests.transcripts`` plays every session and writes what it shows into the pages;
``--pictures`` draws those of the demo as well. tests/test_transcripts.py fails if a page is behind.
"""
