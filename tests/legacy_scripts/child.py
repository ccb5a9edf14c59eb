import os
import sys

import requests

print("child", sys.argv[1:], requests.get(os.environ["API"] + sys.argv[1]).status_code, flush=True)
sys.exit(3)
