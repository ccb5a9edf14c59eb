import os
import sys

import requests

print(sys.argv, __name__, sys.path[0], __file__)
url = os.environ["API"] + sys.argv[1]
print(requests.get(url).status_code)
print("waiting", flush=True)
sys.stdin.readline()
print(requests.get(url).status_code, requests.post(url, json={"a": 1}).status_code)
