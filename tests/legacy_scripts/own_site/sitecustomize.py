import sys

MARKS = [__name__, "sitecustomize" in sys.modules, sys.modules["sitecustomize"].__file__]
sys.own_sitecustomize_ran = getattr(sys, "own_sitecustomize_ran", 0) + 1
