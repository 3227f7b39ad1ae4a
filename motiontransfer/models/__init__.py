"""Networks: generators, discriminators, face networks, VGG19."""
