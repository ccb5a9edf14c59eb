import multiprocessing
import os
import sys

import requests

shared = {}


def start(barrier) -> None:
    shared["meeting"] = barrier


def work(number: int) -> tuple[int, int]:
    shared["meeting"].wait(60)  # so that each process has its share
    return number, requests.get(os.environ["API"] + sys.argv[2]).status_code


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    print(sys.argv, requests.get(os.environ["API"] + sys.argv[2]).status_code)
    with context.Pool(2, start, [context.Barrier(2)]) as pool:
        print(pool.map(work, range(4), 1))
        print("waiting", flush=True)
        sys.stdin.readline()
        print(pool.map(work, range(4), 1))
    print(requests.get(os.environ["API"] + sys.argv[2]).status_code)
