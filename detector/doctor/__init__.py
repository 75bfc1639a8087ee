"""``kyori doctor``: finds the usual mistakes around a configuration, and says the remedy of each.

It reads and connects, and changes nothing: no file is made, no state opened for writing, no lock kept.

finding   one thing that was looked at
machine   clock, packages, compiled code, open files
folder    the state directory, and who holds it
stored    what the state of each pipeline says
inputs    files, ports and brokers
examine   all of it in order: the way in
"""
