import os
import subprocess
import sys

import requests

here = os.path.dirname(__file__)
url = os.environ["API"] + sys.argv[1]
print(requests.get(url).status_code, flush=True)
command = [sys.executable, os.path.join(here, "child.py"), sys.argv[1]]
print(subprocess.run(command, check=False).returncode)
print("waiting", flush=True)
sys.stdin.readline()
code = f"import requests, sys; print(requests.get({url!r}).status_code, sys.argv)"
print(subprocess.check_output([sys.executable, "-c", code, "a b"], text=True))
print(subprocess.run(command, check=False).returncode)
print(requests.get(url).status_code)
