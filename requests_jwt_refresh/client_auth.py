"""The ways in which an OAuth 2.0 client authenticates (RFC 6749 §2.3.1).

Imports nothing, so that ``init --help`` can list them at once.
"""

from typing import Final

CLIENT_AUTHS: Final = ("none", "basic", "post")
"""No secret; id and secret in the Authorization header; id and secret in the form."""
