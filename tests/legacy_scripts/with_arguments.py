import argparse
import os
import sys

import requests


def main() -> None:
    parser = argparse.ArgumentParser(description="Counts orders.")
    parser.add_argument("path")
    parser.add_argument("--flag", action="store_true")
    parser.add_argument("--fail", action="store_true")
    options = parser.parse_args()
    answer = requests.get(os.environ["API"] + options.path)
    print(answer.status_code, options.flag, sys.argv[1:])
    if options.fail:
        raise ValueError("no orders: " + options.path)
    print("three orders are late", file=sys.stderr)
    sys.exit(7)


if __name__ == "__main__":
    main()
