"""The rules as plain values: facts in, decision out. No Flask, no clock, no I/O."""
