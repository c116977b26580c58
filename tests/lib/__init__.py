"""What the system-level tests share: servers, raw RESP connections, the report, transcripts."""
