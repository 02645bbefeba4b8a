"""What upstreams say: server-sent events, chat completions and transcriptions in OpenAI's words, pure."""
