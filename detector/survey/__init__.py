"""What `kyori init` makes of data that it is shown.

file     looks at the first records of a file
log      looks at the first lines of a log
mqtt     listens to the topics of a broker
topics   names for the wildcards of filters
payloads what the messages hold
records  messages as records, and who sent them
parts    values that come each to a topic of its own
columns  which numbers are features, which are counters, numbers of records, constants
times    which field is the time, and how it is written
units    units out of names
draft    what was found
text     the configuration, with comments
broker   the part of it that speaks MQTT
"""
