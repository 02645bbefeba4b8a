"""Documents for reading and printing, made by libraries in processes of their own."""
