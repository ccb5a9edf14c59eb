import sys

from . import routes

print(__name__, __package__, sys.argv, sys.path[0])
print(routes.status(sys.argv[1]))
print("waiting", flush=True)
sys.stdin.readline()
print(routes.status(sys.argv[1]))
