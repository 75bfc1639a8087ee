"""What the MQTT source and the MQTT sink have in common.

options         where the broker is, and who we are to it
source_options  what the source subscribes to, and how it keeps its promises
decoding        from a message to records
topics          topic filters with named wildcards; safe topic names for alerts
client          makes paho's client: version, session, TLS
buffered        what is under it: many packets read, and many acknowledgements written, at once
link            one connection, kept up: backoff, takeovers, what cannot be mended
takeovers       tells a fight over a client id from connections that just break
inbox           received and not yet acknowledged: epochs, redeliveries, the window
"""
