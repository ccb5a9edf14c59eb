import os
import sys

import requests

with requests.Session() as session:
    for _ in range(3):
        answer = session.get(os.environ["API"] + sys.argv[1], timeout=30)
        print(answer.status_code, answer.json()["method"])
        print("waiting", flush=True)
        sys.stdin.readline()
    answer = session.put(os.environ["API"] + sys.argv[1], data=b"x" * 1000)
    print(answer.status_code, answer.json()["size"])
