import os

import requests


def status(path: str) -> int:
    return requests.get(os.environ["API"] + path).status_code
