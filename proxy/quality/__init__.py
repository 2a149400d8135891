"""Whether inputs and outputs are what they should be: rules, a reference profile, checks.

The law of this room: one row and the rules in, the broken rules out; nothing is remembered.
"""
