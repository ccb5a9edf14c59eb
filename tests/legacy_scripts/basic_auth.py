import os
import sys

import requests

session = requests.Session()
session.auth = ("alice", "secret")
url = os.environ["API"] + sys.argv[1]
print(session.get(url).request.headers["Authorization"])
print(requests.get(url, auth=("bob", "secret")).request.headers["Authorization"])
print(requests.get(url, headers={"Authorization": "ApiKey 1"}).request.headers["Authorization"])
