"""A page in the browser for those who do not type commands; Gradio is imported here alone."""
