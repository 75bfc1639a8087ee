"""What the MQTT source and the MQTT sink have in common.

options         where the broker is, and who we are to it
source_options  what the source subscribes to, and how it keeps its promises
decoding        from a message to records
topics          topic filters with named wildcards; safe topic names for alerts
client          makes paho's client: version, session, TLS
buffered        what is under it: many packets read, and many acknowledgements written, at once
link            one connection, kept up: backoff, takeovers, what cannot be mended
listening       hears what comes for some seconds, for `kyori init`
outgoing        a message on its way out, and what MQTT 5 lets us say of it
board           retained messages, of which only the newest of each name counts
home_assistant  what Home Assistant is told of a pipeline
shown           what the sink keeps at the broker: states, learning, that device
takeovers       tells a fight over a client id from connections that just break
inbox           received and not yet acknowledged: epochs, redeliveries, the window
"""
