import json
import os
import sys

import requests

url = os.environ["API"] + sys.argv[1]
first = {"path": sys.path[:], "modules": sorted(sys.modules)}
print(requests.get(url).status_code)
site = sys.modules.get("sitecustomize")
print(
    json.dumps(
        {
            "before": first["path"],
            "path": sys.path,
            "modules": first["modules"],
            "environment": dict(os.environ),
            "site": getattr(site, "__file__", None),
            "marks": getattr(site, "MARKS", None),
            "flags": list(sys.flags),
            "executable": sys.executable,
            "main": [__name__, __file__, repr(__spec__)],
        }
    )
)
