"""Networks: generators, discriminators, face networks, and their weights on disk."""
