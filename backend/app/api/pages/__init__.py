"""What a browser is shown: the web app, and the description of the API."""
