"""`python -m nmjit.bench` is bench/run.py."""

from nmjit.bench.run import main

main()
