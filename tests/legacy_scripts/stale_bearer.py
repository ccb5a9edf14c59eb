import os
import sys

import requests
from requests.auth import AuthBase


class OldAuth(AuthBase):
    def __call__(self, request):
        request.headers["Authorization"] = "Bearer older"
        return request


url = os.environ["API"] + sys.argv[1]
session = requests.Session()
session.headers["Authorization"] = "Bearer old"
print(session.get(url).status_code)
print(requests.get(url, headers={"authorization": "bearer old"}).status_code)
print("waiting", flush=True)
sys.stdin.readline()
print(session.get(url).status_code, session.headers["Authorization"])
print(requests.get(url, auth=OldAuth()).status_code)
