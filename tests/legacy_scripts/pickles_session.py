import copy
import os
import pickle
import sys

import requests

url = os.environ["API"] + sys.argv[1]
session = requests.Session()
session.headers["X-Mine"] = "1"
print(session.get(url).status_code)
again = pickle.loads(pickle.dumps(session))
print("waiting", flush=True)
sys.stdin.readline()
print(again.get(url).status_code, again.headers["X-Mine"])
print(copy.deepcopy(session).get(url).status_code, sorted(again.adapters))
