"""The words of OpenAI's API, as its clients speak them."""
