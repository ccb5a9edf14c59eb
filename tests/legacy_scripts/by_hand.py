import os
import sys

import requests

api = os.environ["API"]
session = requests.Session()
answer = session.post(api + "/auth/login", json={"username": "bob", "password": "b"})
tokens = answer.json()
print(answer.status_code, sorted(tokens))
session.headers["Authorization"] = "Bearer " + tokens["access_token"]
print(session.get(api + sys.argv[1]).status_code)
print("waiting", flush=True)
sys.stdin.readline()
answer = session.post(api + "/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
print(answer.status_code, sorted(answer.json()))
session.headers["Authorization"] = "Bearer " + answer.json()["access_token"]
print(session.get(api + sys.argv[1]).status_code)
wrong = requests.post(api + "/auth/login", json={"username": "bob", "password": "wrong"})
print(wrong.status_code)
