"""What puts load on a server and watches it: recordings, speakers, a server of one's own, the machine's counters."""
