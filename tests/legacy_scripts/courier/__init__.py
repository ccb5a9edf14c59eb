import sys

print("courier", __name__, sys.argv[1:])
