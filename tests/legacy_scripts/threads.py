import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import requests

url = os.environ["API"] + sys.argv[1]
shared = requests.Session()
meeting = threading.Barrier(8)


def work(number: int) -> int:
    meeting.wait(60)  # all at once
    get = shared.get if number % 2 else requests.get
    return get(url).status_code


with ThreadPoolExecutor(8) as team:
    print(list(team.map(work, range(8))))
    print("waiting", flush=True)
    sys.stdin.readline()
    print(list(team.map(work, range(8))))
