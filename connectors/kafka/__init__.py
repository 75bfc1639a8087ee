"""What the Kafka source and sink have in common. Its package is an extra, imported only when it is used."""
