"""A breadth-first search over the shipped lifecycle: its loop, decisions, fold, table and operations, against a world
in which every answer may be any of those that the real one can give.

What is searched: state x pod x job x artifacts x lock x switch, and whatever else the shipped code decides by. From
record 0 on, each step is one round of the shipped loop with one course of answers; a process may die at every effect
and between any two records, the machine may sleep, people may ask for something, pods and jobs end by themselves.

What is abstracted, so that the search ends: situations with the same key (`node.key_of`) count as the same, and only
the first one met is gone on from. The key holds the next decision in place of the time, so of two that wait for
different lengths of time one is followed; once a job was launched, the ending of an earlier process is only that there
is one, and in release only what shall become of the pod. One process at a time (the lock is held to work), one request
per process, no more than two pods at once, an unheard create lands within the quiet window. Records are whole: torn
and lost ones are for the journal's own tests and for the seeded simulation, which also lets many faults meet.
"""
