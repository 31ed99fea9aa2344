"""The benchmark: nmjit's code against C and libpcap on the same packets, in one run. README.md explains the method."""
