"""The fleet: a parent, its workers and its desk, and what they say to each other.

Law of the room: the parent decides nothing about traffic, a worker loads nothing of the desk,
and nobody waits for a slow peer; what cannot be said now stays where it is counted.

This door stays empty on purpose: a worker starts as ``python -m proxy.fleet.worker``, and
whatever were re-exported here would be loaded beside the data plane.

messages    the words, each a tagged struct
framing     messages to bytes and back, and the bound on one frame
channel     worker and desk: an asyncio transport, with its backlog in sight
reports     a report as one frame, whatever is in it
plans       a worker reads only the models of a Plan that have changed
control     parent and child: the same frames, with file descriptors beside them
worker      one data plane: reports up, plans down, drains
gather      the desk's side of all channels
logs        how every process logs, and the access log's file
listening   the sockets, and how a younger instance takes them over
child       one child process: start, hear, replace
parent      the supervisor: one handler per signal, the order of stopping
"""
