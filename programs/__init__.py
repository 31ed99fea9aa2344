"""Filters to use, and to learn from: each is one file, short, and proven to raise nothing.

    nmjit load programs/acl.py pcap:traffic.pcap

Every file says what it drops and what it costs, in the words of `nmjit check`: IR operations that one packet can take
at worst, and how deep into the packet the headers lie that it reads or writes. Filters import nmjit alone.
"""
