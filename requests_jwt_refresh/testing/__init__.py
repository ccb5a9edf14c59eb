"""What this library's own tests lean on, for yours: a real server, a test class for stores."""

from requests_jwt_refresh.testing.contract import StoreContract
from requests_jwt_refresh.testing.server import AuthServer

__all__ = ["AuthServer", "StoreContract"]
