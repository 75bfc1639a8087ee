"""`kyori demo`: a broker, a real server's sensors replayed over it, and the daemon itself."""
