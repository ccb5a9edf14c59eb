import os
import sys

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry


class TimeoutAdapter(HTTPAdapter):
    sent = 0

    def send(self, request, **options):
        self.sent += 1
        options["timeout"] = options.get("timeout") or 30
        return super().send(request, **options)


class Client(requests.Session):
    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base
        self.mine = TimeoutAdapter(max_retries=Retry(total=2, status_forcelist=[503]))
        self.mount(base, self.mine)

    def request(self, method, path, **options):
        return super().request(method, self.base + path, **options)


client = Client(os.environ["API"])
adapter = client.get_adapter(os.environ["API"] + sys.argv[1])
print(isinstance(adapter, TimeoutAdapter), isinstance(adapter, HTTPAdapter), adapter.__class__)
print(adapter.max_retries.total, adapter.max_retries.status_forcelist)
adapter.label = "mine"
adapter.max_retries = Retry(total=1)
print(client.mine.label, client.mine.max_retries.total, adapter.label)
print(client.get(sys.argv[1]).status_code, client.mine.sent > 0)
print("waiting", flush=True)
sys.stdin.readline()
print(client.get(sys.argv[1]).status_code, client.get(sys.argv[1]).status_code)
