"""Networks: generators, discriminators, face networks, rollout."""
